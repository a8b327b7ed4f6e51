"""Whose key it is holds from when the database was asked: an answer that came late is old."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from orchestrion.api.auth import Authenticator
from orchestrion.core.account import Principal
from orchestrion.core.errors import ErrorCode
from orchestrion.core.outcomes import Rejection
from tests.databases import Databases, PostgresDatabase, add_accounts, add_key, revoke_key
from tests.factories import ACCOUNT

# After so long a revoked key is refused.
PROMISED_SECONDS = 5.0
REFUSED = Rejection(code=ErrorCode.INVALID_API_KEY)


@pytest.fixture
def shared(databases: Databases) -> Iterator[PostgresDatabase]:
    """Lend a database with an account, behind a wire that can hold answers up."""
    with databases.postgres.made() as database:
        add_accounts(database, ACCOUNT)
        database.trouble.heal()
        yield database


@pytest.fixture
async def authenticator(shared: PostgresDatabase) -> AsyncIterator[Authenticator]:
    """Tell keys of the database apart."""
    backend = await shared.open()
    yield Authenticator(backend.reader, backend.clock)
    shared.trouble.heal()
    await backend.close()


class Caller:
    """Shows a key that the server has seen, long ago."""

    def __init__(self, database: PostgresDatabase, authenticator: Authenticator) -> None:
        key, self.key_id = add_key(database, ACCOUNT.id)
        self._header = f"Bearer {key}".encode()
        self._authenticator = authenticator

    async def ask(self) -> Principal | Rejection:
        """Show the key, as a request does."""
        known = self._authenticator.known(self._header)
        return known or await self._authenticator.principal(self._header)


@pytest.fixture
async def caller(shared: PostgresDatabase, authenticator: Authenticator) -> Caller:
    caller = Caller(shared, authenticator)
    assert isinstance(await caller.ask(), Principal)
    shared.clock.advance(PROMISED_SECONDS)
    return caller


async def test_a_key_found_by_a_late_answer_is_not_known_for_longer(
    shared: PostgresDatabase, caller: Caller
) -> None:
    shared.trouble.hold_answers()
    asking = asyncio.create_task(caller.ask())
    await shared.trouble.answered()
    revoke_key(shared, caller.key_id)
    shared.clock.advance(PROMISED_SECONDS / 2)
    shared.trouble.release()
    assert isinstance(await asking, Principal)

    shared.clock.advance(PROMISED_SECONDS / 2)

    assert await caller.ask() == REFUSED


async def test_nobody_shares_an_answer_to_a_question_of_long_ago(
    shared: PostgresDatabase, caller: Caller
) -> None:
    shared.trouble.hold_answers()
    asking = asyncio.create_task(caller.ask())
    await shared.trouble.answered()
    revoke_key(shared, caller.key_id)
    shared.clock.advance(PROMISED_SECONDS)

    late = asyncio.create_task(caller.ask())
    await asyncio.sleep(0)
    shared.trouble.release()

    assert isinstance(await asking, Principal)
    assert await late == REFUSED
    assert await caller.ask() == REFUSED
