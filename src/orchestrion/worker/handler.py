"""A registered function: which tasks it takes, how it is called, how long it may take."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, get_type_hints

import msgspec

from orchestrion.worker.context import Context
from orchestrion.worker.outcomes import Backoff
from orchestrion.worker.payloads import Convert, converter

ARGUMENTS_MAX: Final = 2
_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


class HandlerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How attempts of one type are run: seconds, and attempts at once in this worker."""

    timeout: float | None = None
    backoff: Backoff | None = None
    max_in_flight: int | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError("timeout is a number of seconds above 0")
        if self.max_in_flight is not None and self.max_in_flight < 1:
            raise ValueError("max_in_flight is a count of at least 1")


class Handler:
    """A function that works on tasks of one type: `(payload)`, `(payload, ctx)`, or `()`.

    Raises TypeError where the function cannot be called so, or its payload cannot be built.
    """

    def __init__(
        self,
        task_type: str,
        function: Callable[..., Any],
        options: HandlerOptions | None = None,
    ) -> None:
        self.type = task_type
        self.function = function
        self.options = options or HandlerOptions()
        self.is_async = _is_async(function)
        self._takes = _parameters(function)
        self._convert: Convert | None = None
        self._wants_context: tuple[bool, ...] = ()

    def prepare(self) -> None:
        """Resolve the annotations; later than decoration, for they may name what comes after."""
        hints = _hints(self.function)
        wanted = [hints.get(each.name, Any) for each in self._takes]
        told = [_is_context(hint) or (at > 0 and hint is Any) for at, hint in enumerate(wanted)]
        if told.count(True) > 1 or told.count(False) > 1:
            raise TypeError(
                f"the handler of {self.type!r} takes a payload and a Context at most: "
                f"{_name(self.function)}{inspect.signature(self.function)}"
            )
        self._wants_context = tuple(told)
        payloads = [hint for hint, context in zip(wanted, told, strict=True) if not context]
        self._convert = converter(payloads[0]) if payloads else None

    def arguments(self, context: Context) -> tuple[Any, ...]:
        """Build what the function is called with; raises InvalidPayload."""
        payload = self._convert(context.task.payload) if self._convert is not None else None
        return tuple(context if wanted else payload for wanted in self._wants_context)


def _parameters(function: Callable[..., Any]) -> Sequence[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError as error:
        raise TypeError(f"{_name(function)} cannot be a handler: {error}") from error
    needed = [
        each for each in parameters if each.kind in _POSITIONAL and each.default is each.empty
    ]
    keyword = [
        each
        for each in parameters
        if each.kind is inspect.Parameter.KEYWORD_ONLY and each.default is each.empty
    ]
    if len(needed) > ARGUMENTS_MAX or keyword:
        raise TypeError(
            f"a handler takes (payload) or (payload, ctx), not "
            f"{_name(function)}{inspect.signature(function)}"
        )
    return needed


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(function, partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    return get_type_hints(inspect.unwrap(function))


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object may be called asynchronously
    )


def _is_context(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Context)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
