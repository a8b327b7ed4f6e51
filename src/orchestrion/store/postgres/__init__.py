"""The shared store: a PostgreSQL database that any number of servers use."""
