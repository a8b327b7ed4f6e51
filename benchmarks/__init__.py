"""Measures the service against its targets; runs as `python -m benchmarks`, asserts nothing."""
