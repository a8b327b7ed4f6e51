import asyncio
import hashlib

import pytest

from orchestrion.core.plans import SELF_HOSTED
from orchestrion.databases import open_backend
from orchestrion.store.address import DatabaseOptions, read_address
from tests.cli.operators import Operator, assert_refused

REQUIRE, LET_GO = "--require-lease-token", "--no-require-lease-token"
UNKNOWN_ACCOUNT = "acct_00000000000000000000000000"


def requires_token(operator: Operator, key: str) -> bool:
    """Ask as a server does when somebody shows the key."""
    return asyncio.run(_requires_token(operator, key))


async def _requires_token(operator: Operator, key: str) -> bool:
    options = DatabaseOptions(address=read_address(operator.url))
    backend = await open_backend(options, SELF_HOSTED)
    principal = await backend.reader.principal(hashlib.sha256(key.encode()).digest())
    await backend.close()
    assert principal is not None
    return principal.require_lease_token


def test_an_account_can_be_made_to_require_lease_tokens_and_let_go(operator: Operator) -> None:
    mine, other = operator.creates_key(), operator.creates_key()
    assert not requires_token(operator, mine["key"])

    result = operator.types("accounts", "set", mine["account_id"], REQUIRE)

    assert result.exit_code == 0, result.output
    assert result.stdout == mine["account_id"] + "\n"
    assert "must send the lease_token" in result.stderr
    assert requires_token(operator, mine["key"])
    assert not requires_token(operator, other["key"])

    # Said again it stays so.
    assert operator.types("accounts", "set", mine["account_id"], REQUIRE).exit_code == 0
    assert requires_token(operator, mine["key"])

    result = operator.types("accounts", "set", mine["account_id"], LET_GO)

    assert result.exit_code == 0, result.output
    assert "need not send" in result.stderr
    assert not requires_token(operator, mine["key"])


def test_an_unknown_account_is_refused(operator: Operator) -> None:
    operator.creates_key()

    result = operator.types("accounts", "set", UNKNOWN_ACCOUNT, REQUIRE)

    assert_refused(result)
    assert UNKNOWN_ACCOUNT in result.stderr


@pytest.mark.parametrize("arguments", [("set",), ("set", UNKNOWN_ACCOUNT), ("set", REQUIRE)])
def test_an_account_and_what_to_set_must_be_named(
    arguments: tuple[str, ...], operator: Operator
) -> None:
    assert operator.types("accounts", *arguments).exit_code == 2
