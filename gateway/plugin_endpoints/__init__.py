"""HTTP below ``/plugins/{slug}/``: plugins' own endpoints."""
