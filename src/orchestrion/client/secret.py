"""Values whose text shows no secret, wherever a traceback or a log line may carry it."""

from typing import Any

import msgspec

_SECRET = frozenset({"api_key", "lease_token"})


class Discreet(msgspec.Struct, frozen=True):
    """A value that may hold a key or a lease token."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Give names and values to who prints them; of a secret, that there is one."""
        values = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [(name, "…" if name in _SECRET and value else value) for name, value in values]
