"""Orchestrion: a task service that agents drive over HTTP."""

__version__ = "0.1.0"
