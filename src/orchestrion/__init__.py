"""Orchestrion: a durable task queue that agents can drive over HTTP."""

__version__ = "0.1.0"
