"""The management API: REST over the control store, mounted at ``/api/v1``."""
