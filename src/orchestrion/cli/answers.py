"""Answers kept as they came, beside what was read from them."""

from typing import TypeVar

import msgspec

from orchestrion.client.call import Call

T = TypeVar("T")


def whole(call: Call[T]) -> Call[tuple[T, msgspec.Raw]]:
    """Give the same call with its JSON text beside the value: what is new in it is printed too."""

    def decode(body: bytes) -> tuple[T, msgspec.Raw]:
        return call.decode(body), msgspec.Raw(body)

    return Call(
        method=call.method,
        path=call.path,
        query=call.query,
        headers=call.headers,
        body=call.body,
        repeat=call.repeat,
        wait_seconds=call.wait_seconds,
        decode=decode,
    )
