"""HTTP: bytes to commands and outcomes to bytes, with no rule of its own."""
