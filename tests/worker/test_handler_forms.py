"""How functions may be written to become handlers, and what they get and may give back."""

import dataclasses
import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest

from orchestrion import Context, OutputRef, Task, Worker
from orchestrion.testing import LocalOrchestrion


class StructJob(msgspec.Struct):
    url: str
    words: int = 200


@dataclasses.dataclass
class DataclassJob:
    url: str
    words: int = 200


class DictJob(TypedDict):
    url: str


class ModelJob(pydantic.BaseModel):
    url: str
    words: int = 200


@pydantic.dataclasses.dataclass
class ModelledJob:
    url: str
    words: int = 200


class Dated(msgspec.Struct):
    at: datetime


async def worked(
    local: LocalOrchestrion,
    handler: Callable[..., Any],
    payload: dict[str, Any] | None = None,
) -> Task:
    """Run one task through a handler."""
    worker = Worker()
    worker.task("job")(handler)
    task = await local.client.tasks.create("job", payload or {"url": "u"}, max_attempts=1)
    await local.drain(worker)
    return await local.client.tasks.get(task.id)


def takes_struct(job: StructJob) -> dict[str, Any]:
    return {"url": job.url, "words": job.words, "made": type(job).__name__}


def takes_dataclass(job: DataclassJob) -> dict[str, Any]:
    return {"url": job.url, "words": job.words, "made": type(job).__name__}


def takes_model(job: ModelJob) -> dict[str, Any]:
    return {"url": job.url, "words": job.words, "made": type(job).__name__}


def takes_modelled(job: ModelledJob) -> dict[str, Any]:
    return {"url": job.url, "words": job.words, "made": type(job).__name__}


MODELS = (takes_struct, takes_dataclass, takes_model, takes_modelled)


@pytest.mark.parametrize("handler", MODELS)
async def test_a_payload_becomes_what_the_annotation_says(
    local: LocalOrchestrion, handler: Callable[..., Any]
) -> None:
    done = await worked(local, handler)

    assert done.result is not None
    assert (done.result["url"], done.result["words"]) == ("u", 200)
    assert done.result["made"] in ("StructJob", "DataclassJob", "ModelJob", "ModelledJob")


@pytest.mark.parametrize("handler", MODELS)
async def test_an_invalid_payload_fails_the_attempt_and_says_where(
    local: LocalOrchestrion, handler: Callable[..., Any]
) -> None:
    failed = await worked(local, handler, {"url": "u", "words": "many"})

    assert failed.status == "dead_letter"
    assert failed.last_failure_reason is not None
    assert failed.last_failure_reason.startswith("Invalid payload: ")
    assert "words" in failed.last_failure_reason
    assert "\n" not in failed.last_failure_reason


async def test_a_typed_dict_is_checked(local: LocalOrchestrion) -> None:
    async def handler(job: DictJob) -> dict[str, Any]:
        return {"read": job["url"]}

    done = await worked(local, handler)
    failed = await worked(local, handler, {"words": 5})

    assert done.result == {"read": "u"}
    assert failed.last_failure_reason == ("Invalid payload: Object missing required field `url`")


async def test_texts_become_instants_where_annotated(local: LocalOrchestrion) -> None:
    async def handler(job: Dated) -> dict[str, Any]:
        return {"year": job.at.astimezone(UTC).year}

    done = await worked(local, handler, {"at": "2026-11-22T08:00:00Z"})

    assert done.result == {"year": 2026}


def plain_without_annotations(payload, ctx):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    return {"payload": payload, "attempt": ctx.attempt}


async def awaits_with_context(payload: dict[str, Any], ctx: Context) -> dict[str, Any]:
    return {"payload": payload, "attempt": ctx.attempt}


async def context_comes_first(ctx: Context, payload: dict[str, Any]) -> dict[str, Any]:
    return {"payload": payload, "attempt": ctx.attempt}


async def context_alone(ctx: Context) -> dict[str, Any]:
    return {"payload": ctx.task.payload, "attempt": ctx.attempt}


class Called:
    async def __call__(self, payload: dict[str, Any], ctx: Context) -> dict[str, Any]:
        return {"payload": payload, "attempt": ctx.attempt}

    def method(self, payload: dict[str, Any], ctx: Context) -> dict[str, Any]:
        return {"payload": payload, "attempt": ctx.attempt}


def with_extra(extra: int, payload: dict[str, Any], ctx: Context) -> dict[str, Any]:
    assert extra == 5
    return {"payload": payload, "attempt": ctx.attempt}


FORMS: dict[str, Callable[..., Any]] = {
    "plain": plain_without_annotations,
    "async": awaits_with_context,
    "context first": context_comes_first,
    "context alone": context_alone,
    "object": Called(),
    "method": Called().method,
    "partial": functools.partial(with_extra, 5),
}


@pytest.mark.parametrize("handler", FORMS.values(), ids=FORMS.keys())
async def test_handlers_come_in_many_forms(
    local: LocalOrchestrion, handler: Callable[..., Any]
) -> None:
    done = await worked(local, handler)

    assert done.result == {"payload": {"url": "u"}, "attempt": 1}


async def test_a_handler_may_take_nothing(local: LocalOrchestrion) -> None:
    called = []

    async def handler() -> None:
        called.append(1)

    done = await worked(local, handler)

    assert (done.status, done.result, called) == ("completed", None, [1])


def gives_struct() -> StructJob:
    return StructJob("u")


def gives_dataclass() -> DataclassJob:
    return DataclassJob("u")


def gives_model() -> ModelJob:
    return ModelJob(url="u")


@pytest.mark.parametrize("handler", [gives_struct, gives_dataclass, gives_model])
async def test_a_result_may_be_a_model(
    local: LocalOrchestrion, handler: Callable[..., Any]
) -> None:
    done = await worked(local, handler)

    assert done.result == {"url": "u", "words": 200}


async def test_an_output_is_named_instead_of_sent(local: LocalOrchestrion) -> None:
    async def handler() -> OutputRef:
        return OutputRef("out_1", {"pages": 3})

    done = await worked(local, handler)

    assert (done.output_id, done.result) == ("out_1", {"pages": 3})


@pytest.mark.parametrize("result", [5, "text", ["list"], {"set": object()}])
async def test_a_result_that_is_no_object_fails_the_attempt(
    local: LocalOrchestrion, result: object
) -> None:
    async def handler() -> object:
        return result

    failed = await worked(local, handler)

    assert failed.status == "dead_letter"
    assert (failed.last_failure_reason or "").startswith("TypeError: ")


async def test_a_result_the_server_refuses_fails_the_attempt(local: LocalOrchestrion) -> None:
    async def too_much() -> dict[str, str]:
        return {"text": "x" * 70_000}

    async def too_deep() -> dict[str, Any]:
        return {"1": {"2": {"3": {"4": {"5": {"6": 1}}}}}}

    for handler in (too_much, too_deep):
        failed = await worked(local, handler)

        assert failed.status == "dead_letter"
        assert (failed.last_failure_reason or "").startswith("Result refused: ")


async def test_a_decorated_function_stays_the_function_it_is() -> None:
    worker = Worker()

    @worker.task("double")
    def double(payload: dict[str, int]) -> dict[str, int]:
        return {"twice": 2 * payload["number"]}

    assert double({"number": 4}) == {"twice": 8}


def test_functions_that_cannot_be_handlers_are_refused_where_they_are_decorated() -> None:
    worker = Worker()

    def three(first: dict[str, Any], second: Context, third: int) -> None: ...
    def named(payload: dict[str, Any], *, key: str) -> None: ...

    for function in (three, named):
        with pytest.raises(TypeError, match="a handler takes"):
            worker.task("job")(function)


@pytest.mark.parametrize("annotation", [int, str, list[int]])
def test_payloads_that_cannot_be_built_are_refused_at_the_start(annotation: object) -> None:
    worker = Worker()

    def handler(payload: object) -> None: ...

    handler.__annotations__["payload"] = annotation
    worker.task("job")(handler)

    with pytest.raises(TypeError, match="annotate it with dict"):
        worker.check()


def test_two_payloads_are_one_too_many() -> None:
    worker = Worker()

    def handler(first: dict[str, Any], second: dict[str, Any]) -> None: ...

    worker.task("job")(handler)

    with pytest.raises(TypeError, match="a payload and a Context"):
        worker.check()


def test_a_type_has_one_handler() -> None:
    worker = Worker()
    worker.task("job")(takes_struct)

    with pytest.raises(ValueError, match="'job' has a handler already"):
        worker.task("job")(takes_model)


def test_a_handler_without_a_type_is_refused() -> None:
    worker = Worker()

    with pytest.raises(
        TypeError, match=r'name the type of the tasks: @worker\.task\("some-type"\)'
    ):
        worker.task(takes_struct)  # type: ignore[arg-type] # what forgotten parentheses come to


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="concurrency"):
        Worker(concurrency=0)
    with pytest.raises(ValueError, match="grace"):
        Worker(grace=-1)
    with pytest.raises(ValueError, match="timeout"):
        Worker().task("job", timeout=0)
    with pytest.raises(ValueError, match="is no type of tasks"):
        Worker().task("no type!")(takes_struct)
    with pytest.raises(ValueError, match="max_in_flight"):
        Worker().task("job", max_in_flight=0)
