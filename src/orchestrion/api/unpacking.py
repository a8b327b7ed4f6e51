"""From the body of a batch to its items; what is wrong with one is told of that one."""

from typing import TypeVar

import msgspec

from orchestrion.api.decoding import decode
from orchestrion.core.json_items import split_items
from orchestrion.core.limits import BATCH_ITEMS_MAX
from orchestrion.core.strict_json import JsonObject, Malformed

Item = TypeVar("Item", bound=msgspec.Struct)

_ITEMS = "items"
_COUNT = f"'items' must hold 1 to {BATCH_ITEMS_MAX} items."


def unpack(
    body: bytes, batch: type[msgspec.Struct], item: type[Item]
) -> list[tuple[Item, JsonObject] | Malformed]:
    """Read a batch; gives each item with its plain value, or what is wrong with it.

    Raises Malformed where the body as a whole is wrong.
    """
    try:
        whole, value = decode(body, batch)
    except Malformed as error:
        # Nearly always all is well, and one reading tells; else each item is read by itself.
        return [_read(text, item) for text in _texts(body, error)]
    values = value[_ITEMS]
    assert isinstance(values, list), "the struct says so"
    return list(zip(getattr(whole, _ITEMS), values, strict=True))


def _texts(body: bytes, error: Malformed) -> list[str]:
    try:
        texts = split_items(body, _ITEMS)
    except Malformed:
        texts = None
    if texts is None:
        raise error
    if not 0 < len(texts) <= BATCH_ITEMS_MAX:
        raise Malformed(_COUNT)
    return texts


def _read(text: str, item: type[Item]) -> tuple[Item, JsonObject] | Malformed:
    if not text.startswith("{"):
        return Malformed("An item must be a JSON object.")
    try:
        return decode(text.encode(), item)
    except Malformed as error:
        return error
