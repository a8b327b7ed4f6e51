"""Logs, metrics and job status behind the engine's ports; handed in by main, never asked for."""
