"""Background work: commands on a timer."""
