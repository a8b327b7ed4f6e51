"""From body bytes to body structs; what is wrong is said in words that quote no input."""

from collections.abc import Mapping
from functools import cache
from typing import TypeVar, get_args, get_type_hints

import msgspec

from orchestrion.core.strict_json import JsonObject, Malformed, read_object

Body = TypeVar("Body", bound=msgspec.Struct)

_EMPTY = b"{}"


def decode(body: bytes, kind: type[Body]) -> tuple[Body, JsonObject]:
    """Read a body; gives the struct and the plain value beside it. Raises Malformed."""
    body = body or _EMPTY
    _, value = read_object(body)
    try:
        return _decoder(kind).decode(body), value
    except msgspec.ValidationError as error:
        mended = _integral(body, kind, value)
        if mended is None:
            raise Malformed(_in_words(error)) from error
    try:
        return _decoder(kind).decode(mended), value
    except msgspec.ValidationError as error:
        raise Malformed(_in_words(error)) from error


@cache
def _decoder(kind: type[Body]) -> msgspec.json.Decoder[Body]:
    return msgspec.json.Decoder(kind)


def _integral(body: bytes, kind: type[msgspec.Struct], value: JsonObject) -> bytes | None:
    """Write 5.0 as 5 where an integer is wanted; None if there is nothing to mend."""
    mended: dict[str, object] = {
        name: int(number)
        for name in _integer_fields(kind)
        if isinstance(number := value.get(name), float) and number.is_integer()
    }
    inner = {name: part for name in _inner(kind) if isinstance(part := value.get(name), dict)}
    if not mended and not inner:
        return None
    raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    for name, part in inner.items():
        whole = _integral(bytes(raw[name]), _inner(kind)[name], part)
        if whole is not None:
            mended[name] = msgspec.Raw(whole)
    return msgspec.json.encode({**raw, **mended}) if mended else None


@cache
def _integer_fields(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(name for name, types in _types(kind).items() if int in types)


@cache
def _inner(kind: type[msgspec.Struct]) -> Mapping[str, type[msgspec.Struct]]:
    return {
        name: type_
        for name, types in _types(kind).items()
        for type_ in types
        if isinstance(type_, type) and issubclass(type_, msgspec.Struct)
    }


def _types(kind: type[msgspec.Struct]) -> Mapping[str, tuple[object, ...]]:
    """Give the types that each field may have, by its name on the wire."""
    hints = get_type_hints(kind)
    return {
        field.encode_name: get_args(hints[field.name]) or (hints[field.name],)
        for field in msgspec.structs.fields(kind)
    }


def _in_words(error: msgspec.ValidationError) -> str:
    # The decoder names types, bounds and field names of ours, never a value that was sent.
    text = str(error).replace("`", "'").replace("\\\\", "\\").replace("\\Z", "$")
    what, _, where = text.partition(" - at '$")
    field = where.strip("'.")
    return f"The field '{field}' is wrong: {_lower(what)}." if field else f"{what}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
