"""From the body of a batch to its items; what is wrong with one is told of that one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec

from orchestrion.api.decoding import decode
from orchestrion.core.json_items import TOO_MANY_NAMES, split_items
from orchestrion.core.limits import (
    BATCH_BYTES_AT_ONCE,
    BATCH_ITEMS_MAX,
    BATCH_NAMES_MAX,
    BODY_BYTES_MAX,
)
from orchestrion.core.strict_json import JsonObject, Malformed

Item = TypeVar("Item", bound=msgspec.Struct)

_ITEMS = "items"
_COUNT = f"'items' must hold 1 to {BATCH_ITEMS_MAX} items."
_TOO_LARGE = f"An item must not be larger than {BODY_BYTES_MAX} bytes."


async def unpack(
    body: bytes, batch: type[msgspec.Struct], item: type[Item]
) -> AsyncIterator[tuple[Item, JsonObject] | Malformed]:
    """Read a batch; gives each item with its plain value, or what is wrong with it.

    Raises Malformed, before the first item, where the body as a whole is wrong. Between the items
    of a large body other requests have their turn.
    """
    refused: Malformed | None = None
    if len(body) <= BATCH_BYTES_AT_ONCE:
        try:
            # Nearly always all is well, and one reading tells; else each is read by itself.
            reads: Sequence[tuple[Item, JsonObject]] = _whole(body, batch)
        except Malformed as error:
            refused = error
        else:
            for read in reads:
                yield read
            return
    size = 0
    for text in _texts(body, refused):
        size += len(text)
        if size > BATCH_BYTES_AT_ONCE:
            size = len(text)
            await asyncio.sleep(0)
        yield _read(text, item)


def _whole(body: bytes, batch: type[msgspec.Struct]) -> list[tuple[Item, JsonObject]]:
    whole, value = decode(body, batch)
    if len(value) > BATCH_NAMES_MAX:
        raise Malformed(TOO_MANY_NAMES)
    values = value[_ITEMS]
    assert isinstance(values, list), "the struct says so"
    return list(zip(getattr(whole, _ITEMS), values, strict=True))


def _texts(body: bytes, refused: Malformed | None) -> list[str]:
    """Take the items apart; `refused` is what a reading of the whole found, if there was one."""
    try:
        texts = split_items(body)
    except Malformed as error:
        raise refused or error from error
    if texts is None:
        raise refused or Malformed(_COUNT)
    if not 0 < len(texts) <= BATCH_ITEMS_MAX:
        raise Malformed(_COUNT)
    return texts


def _read(text: str, item: type[Item]) -> tuple[Item, JsonObject] | Malformed:
    if not text.startswith("{"):
        return Malformed("An item must be a JSON object.")
    body = text.encode()
    if len(body) > BODY_BYTES_MAX:
        return Malformed(_TOO_LARGE, 413)
    try:
        return decode(body, item)
    except Malformed as error:
        return error
