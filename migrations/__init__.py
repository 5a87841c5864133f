"""One linear history of the tables, run on SQLite and PostgreSQL alike."""
