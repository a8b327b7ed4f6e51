"""Answers kept as they came, beside what was read from them."""

from typing import TypeVar, cast

import msgspec
from msgspec.structs import replace

from orchestrion.client.call import Call
from orchestrion.client.errors import Refusal

T = TypeVar("T")


def whole(call: Call[T]) -> Call[tuple[T, msgspec.Raw]]:
    """Give the same call with its JSON text beside the value: what is new in it is printed too."""

    def decode(body: bytes) -> tuple[T, msgspec.Raw]:
        return call.decode(body), msgspec.Raw(body)

    def settle(refusal: Refusal) -> Call[tuple[T, msgspec.Raw]] | None:
        settling = call.settle(refusal)
        return None if settling is None else whole(settling)

    return cast("Call[tuple[T, msgspec.Raw]]", replace(call, decode=decode, settle=settle))
