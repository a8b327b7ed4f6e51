"""What may stand in a payload or a result, and its JSON text."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import msgspec


class Dataclass(Protocol):
    """An instance of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class Model(Protocol):
    """An instance of a Pydantic model, or of what is dumped alike."""

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


# A JSON object: at most 65,536 bytes as compact JSON and 5 levels deep.
Payload = Mapping[str, Any] | msgspec.Struct | Dataclass | Model


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"An object of type {type(value).__name__} is no JSON.")
    return dump(mode="json")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def encoded(value: object) -> bytes:
    """Give a value as compact JSON text. Raises TypeError for what JSON cannot say."""
    return _ENCODER.encode(value)


def encoded_object(value: Payload) -> msgspec.Raw:
    """Give a payload or a result as JSON text.

    Raises TypeError for what JSON cannot say, ValueError for a number that is none.
    """
    text = _ENCODER.encode(value)
    # The encoder writes null for NaN and infinity, which would be another value.
    if b"null" in text and not _finite(msgspec.to_builtins(value, enc_hook=_plain)):
        raise ValueError("NaN and infinity are no JSON: send null or a text instead.")
    return msgspec.Raw(text)


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return not isinstance(value, list | tuple) or all(map(_finite, value))
