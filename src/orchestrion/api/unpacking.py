"""From the body of a batch to its items; what is wrong with one is told of that one."""

from typing import TypeVar

import msgspec

from orchestrion.api.decoding import decode
from orchestrion.core.json_items import split_items
from orchestrion.core.limits import BATCH_ITEMS_MAX
from orchestrion.core.strict_json import JsonObject, Malformed

Item = TypeVar("Item", bound=msgspec.Struct)

_ITEMS = "items"


def unpack(
    body: bytes, batch: type[msgspec.Struct], item: type[Item]
) -> list[tuple[Item, JsonObject] | Malformed]:
    """Read a batch; gives each item with its plain value, or what is wrong with it.

    Raises Malformed where the body as a whole is wrong.
    """
    try:
        whole, value = decode(body, batch)
    except Malformed:
        # Nearly always all is well, and one reading tells; else each item is read by itself.
        texts = split_items(body, _ITEMS) if body else None
        if texts is None or not 0 < len(texts) <= BATCH_ITEMS_MAX:
            raise
        return [_read(text, item) for text in texts]
    values = value[_ITEMS]
    assert isinstance(values, list), "the struct says so"
    return list(zip(getattr(whole, _ITEMS), values, strict=True))


def _read(text: str, item: type[Item]) -> tuple[Item, JsonObject] | Malformed:
    if not text.startswith("{"):
        return Malformed("An item must be a JSON object.")
    try:
        return decode(text.encode(), item)
    except Malformed as error:
        return error
