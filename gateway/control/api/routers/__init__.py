"""One module a resource: what it takes, and its routes."""
