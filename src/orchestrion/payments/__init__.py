"""Takes money through PayPal; must not know what is bought, nor any database."""
