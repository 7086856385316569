"""``sink://otlp``: the proxy log as log records, analytics as GenAI metrics, over OTLP/HTTP."""
