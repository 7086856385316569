"""The steps that make the control database's tables, oldest first; each changes the tables of the one before it."""

HEAD = "0001"
"""The newest revision, so that a database which has it is taken without loading Alembic."""
