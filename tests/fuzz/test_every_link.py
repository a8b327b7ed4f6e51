"""Every link of the served document leads on: filled in from a real answer, it succeeds."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import msgspec
import pytest

from orchestrion.core.limits import RELEASES_MAX
from orchestrion.core.operations import BY_NAME
from tests.contract.documents import served
from tests.databases import SQLITE, Database, Databases
from tests.harness import Account, Harness
from tests.http.callers import Caller, Response
from tests.http.test_every_operation import NEED_PAYMENTS, USES

Json = dict[str, Any]
Link = tuple[str, str]


async def failed_for_good(caller: Caller) -> Response:
    """The last attempt fails."""
    claim = await caller.held(maxAttempts=1)
    return await caller.do("fail", claim["task"]["id"], lease_token=claim["lease_token"])


async def released_for_good(caller: Caller) -> Response:
    """A release too many counts as a failure of the last attempt."""
    await caller.task(maxAttempts=1)
    for _ in range(RELEASES_MAX + 1):
        claim = (await caller.claim_next()).json()
        released = await caller.do("release", claim["task"]["id"], lease_token=claim["lease_token"])
    return released


# Where the usual way to the answer leads to another state than the link is for.
PREPARED: Mapping[Link, Callable[[Caller], Awaitable[Response]]] = {
    ("fail_task", "requeue"): failed_for_good,
    ("release_task", "requeue"): released_for_good,
}


def declared() -> Iterator[tuple[Link, Json]]:
    for methods in served()["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for name, link in answer.get("links", {}).items():
                    yield (operation["operationId"], name), link


LINKS = {link: shape for link, shape in declared() if link[0] not in NEED_PAYMENTS}


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    """One kind is enough: the document is the same for all."""
    with databases.fresh(SQLITE) as database:
        yield database


@pytest.mark.parametrize("link", LINKS, ids="-".join)
async def test_a_link_leads_on(service: Harness, account: Account, link: Link) -> None:
    caller, shape = Caller(service, account), LINKS[link]
    first = await PREPARED.get(link, USES[link[0]])(caller)
    row = BY_NAME[shape["operationId"]]
    path = row.path.format(**filled(shape.get("parameters", {}), first))
    body = filled(shape["requestBody"], first) if "requestBody" in shape else None

    then = await caller.send(row.method, path, body)

    assert then.status_code == row.status, then.text


def filled(expressions: Mapping[str, str], response: Response) -> Json:
    """Put in what the expressions stand for."""
    return {name: value(expression, response) for name, expression in expressions.items()}


def value(expression: str, response: Response) -> Any:  # noqa: ANN401 - plain JSON
    where, _, pointer = expression.partition("#/")
    content = response.request.content if where == "$request.body" else response.content
    found = msgspec.json.decode(content)
    for step in pointer.split("/"):
        found = found[step]
    return found
