"""The Python SDK: the API's operations as typed calls, in a sync and an async client."""
