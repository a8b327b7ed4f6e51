"""The rules of the service: pure values and functions, with no I/O, clock, log or async."""
