"""Turns payloads into what a handler's annotation asks for, and results into JSON text."""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, Final, get_origin, is_typeddict

import msgspec

from orchestrion.client.payload import encoded_object

Convert = Callable[[dict[str, Any]], Any]

_UNTYPED: Final = (Any, object, dict, Mapping, None)


class InvalidPayload(Exception):
    """A payload does not fit the handler's annotation; the text says where and why."""


def converter(annotation: Any) -> Convert:  # noqa: ANN401 - an annotation may be anything
    """Choose how payloads become arguments; raises TypeError where that cannot be.

    A dict is handed on as it is; msgspec structs, dataclasses, TypedDicts and Pydantic models are
    built from it.
    """
    if annotation in _UNTYPED or get_origin(annotation) in (dict, Mapping):
        return _as_it_is
    if hasattr(annotation, "model_validate"):
        return _by_validation(annotation.model_validate)
    if hasattr(annotation, "__pydantic_validator__"):
        return _by_validation(annotation.__pydantic_validator__.validate_python)
    if not _is_object(annotation):
        raise TypeError(
            f"a payload cannot become {annotation!r}: annotate it with dict, a msgspec Struct, "
            "a dataclass, a TypedDict or a Pydantic model"
        )
    return _by_conversion(annotation)


def encoded(result: Any) -> bytes | None:  # noqa: ANN401 - a handler may return anything
    """Write a handler's result as a JSON object; raises TypeError if it is none.

    Raises ValueError for numbers that JSON cannot say. None stays None: a task may be completed
    without a result.
    """
    if result is None:
        return None
    text = bytes(encoded_object(result))
    if not text.startswith(b"{"):
        raise TypeError(f"a handler returns an object or None, not {type(result).__name__}")
    return text


def _as_it_is(payload: dict[str, Any]) -> dict[str, Any]:
    return payload


def _by_conversion(annotation: Any) -> Convert:  # noqa: ANN401 - an annotation may be anything
    def convert(payload: dict[str, Any]) -> Any:  # noqa: ANN401 - it becomes what was annotated
        try:
            return msgspec.convert(payload, annotation, str_keys=True)
        except msgspec.ValidationError as error:
            raise InvalidPayload(str(error)) from error

    return convert


def _by_validation(validate: Convert) -> Convert:
    def convert(payload: dict[str, Any]) -> Any:  # noqa: ANN401 - it becomes what was annotated
        try:
            return validate(payload)
        except ValueError as error:  # Pydantic's ValidationError is one.
            raise InvalidPayload(_in_one_line(error)) from error

    return convert


def _in_one_line(error: ValueError) -> str:
    found = getattr(error, "errors", None)
    if found is None:
        return str(error)
    told = found(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in told)


def _is_object(annotation: Any) -> bool:  # noqa: ANN401 - an annotation may be anything
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return is_typeddict(kind)
    return issubclass(kind, (msgspec.Struct, dict)) or is_dataclass(kind) or is_typeddict(kind)
