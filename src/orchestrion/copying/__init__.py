"""Moves everything from a SQLite file into PostgreSQL; knows both, which do not know each other."""
