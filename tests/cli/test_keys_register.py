"""An account and a key, asked of a server as anybody may."""

import json
from pathlib import Path

from tests.cli.callers import Caller, calling
from tests.cli.hints import next_command


def test_a_key_is_made_that_works(caller: Caller) -> None:
    result = caller.types("keys", "register", "--email", "a@example.com", ORCHESTRION_API_KEY="")
    made = json.loads(result.stdout)

    created = caller.types(*next_command(result.stderr), ORCHESTRION_API_KEY=made["apiKey"])

    assert created.exit_code == 0, created.output
    assert made["apiKey"] not in result.stderr
    assert made["accountId"].startswith("acct_")


def test_people_see_key_and_account(caller: Caller) -> None:
    key, account = caller.sees("keys", "register").splitlines()

    assert key.startswith("key      orch_live_")
    assert account.startswith("account  acct_")


def test_a_wrong_address_is_wrong_usage(caller: Caller) -> None:
    result = caller.types("keys", "register", "--email", "x" * 300)

    assert (result.exit_code, result.stdout) == (2, "")


def test_a_server_that_gives_no_keys_out_says_whom_to_ask(tmp_path: Path) -> None:
    with calling(tmp_path, "--registration", "closed") as caller:
        result = caller.types("keys", "register")

    assert (result.exit_code, result.stdout) == (3, "")
    assert "ask its operator" in result.stderr
