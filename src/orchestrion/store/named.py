"""Reads SQL files in which each statement stands under a `-- name: x` line."""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)[^\n]*\n", re.MULTILINE)


def load_statements(package: str, name: str = "queries.sql") -> Mapping[str, str]:
    """Map each name to its statement, comments included."""
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return MappingProxyType(
        {key: body.strip() for key, body in zip(parts[1::2], parts[2::2], strict=True)}
    )
