"""Measures what the service does when more is asked of it than it can do; judges, never stops."""
