"""The sections that measure the service on PostgreSQL."""
