"""The demonstration: real files, real processes, and nothing but HTTP between them."""
