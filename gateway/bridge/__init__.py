"""OpenAI's dialect to any vendor: ``/ai/{slug}/v1/…``."""
