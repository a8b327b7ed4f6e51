"""How hypothesis draws here: the same everywhere, and never refused for a slow machine."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("unit")
