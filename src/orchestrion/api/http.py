"""A request and a response as values, so that handlers know no server and no framework."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from orchestrion.core.account import Principal
from orchestrion.core.ids import AccountId, RequestId
from orchestrion.core.operations import Operation
from orchestrion.core.outcomes import Window

Header = tuple[bytes, bytes]


class Request(msgspec.Struct, kw_only=True):
    """What a handler is given. Header names are lower-case; `path_id` is empty where none.

    Filled in step by step on its way in: who asks and where a limit of theirs stands, then the
    body, then whether a repeat could have a second effect.
    """

    operation: Operation
    request_id: RequestId
    headers: Mapping[bytes, bytes]
    path_id: str = ""
    query: Mapping[str, str] = {}
    body: bytes = b""
    address: str = ""
    principal: Principal | None = None
    window: Window | None = None
    # For how much of its time it only waited.
    waited_seconds: float = 0
    repeatable: bool = False

    @property
    def account_id(self) -> AccountId:
        """The account of a keyed request."""
        assert self.principal is not None, "only keyed operations ask"
        return self.principal.account_id


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler gives back; `error` is the error code for logs and metrics.

    `unsent` is called if the caller leaves before the answer is on its way.
    """

    status: int
    body: bytes
    headers: Sequence[Header] = ()
    error: str = ""
    unsent: Callable[[], None] | None = None
