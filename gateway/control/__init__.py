"""What an operator manages: the control database, its API, and what carries a change to the request path."""
