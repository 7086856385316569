"""``sink://database``: the events database, SQLite or PostgreSQL; a row for each event, inserted once by its id."""
