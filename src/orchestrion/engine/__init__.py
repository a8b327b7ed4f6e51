"""Time, transactions and order: what stands between the handlers and a database."""
