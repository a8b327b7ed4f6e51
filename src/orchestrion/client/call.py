"""One request as a value: what to send, how it may be repeated, how its answer is read."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Generic, TypeVar
from urllib.parse import quote

import msgspec

from orchestrion.client.errors import Refusal

T = TypeVar("T")


class Repeat(Enum):
    """When a request may be sent again."""

    ALWAYS = "always"  # A repeat takes effect once: a read, or a write that carries its proof.
    UNSENT = "unsent"  # Only when it surely did not take effect: not sent, or refused.


def unsettled(_: Refusal) -> None:
    """Leave a refused repeat a refusal."""
    return


class Call(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A request. `decode` reads the body of a success; `wait_seconds` it may stay open for.

    `settle` is asked when a repeat of a request that may have taken effect is refused: it gives
    the call that shows what the first came to, or None where the refusal stands.

    `patience`: it is repeated for so many seconds, whatever the number of tries.
    """

    method: str
    path: str
    decode: Callable[[bytes], T]
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    repeat: Repeat = Repeat.ALWAYS
    wait_seconds: float = 0
    patience: float | None = None
    settle: Callable[[Refusal], "Call[T] | None"] = unsettled


def task_path(task_id: str, verb: str = "") -> str:
    """Give the path of a task. Raises ValueError for a text that cannot stand in one."""
    name = quote(task_id, safe="")
    if not name.strip("."):
        raise ValueError(f"{task_id!r} is no task id: they look like 'tsk_01M814NJ33M9S346Q3D25V'.")
    return f"/v1/tasks/{name}/{verb}" if verb else f"/v1/tasks/{name}"
