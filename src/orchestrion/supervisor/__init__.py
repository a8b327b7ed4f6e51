"""Several processes of one server on one port; must know neither databases nor requests."""
