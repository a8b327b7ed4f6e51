"""The Python client: every request an agent may send, sync and async, over one sans-I/O core."""
