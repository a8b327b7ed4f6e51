import json

import pytest

from tests.cli.operators import Operator, assert_refused

UNKNOWN_ACCOUNT = "acct_00000000000000000000000000"


def test_the_key_alone_goes_to_stdout(operator: Operator) -> None:
    result = operator.types("keys", "create", "--email", "ops@example.com")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("orch_live_")
    assert result.stdout.count("\n") == 1
    assert "shown only now" in result.stderr


def test_a_second_key_may_join_an_account(operator: Operator) -> None:
    first = operator.creates_key()

    second = operator.creates_key("--account", first["account_id"])

    assert second["account_id"] == first["account_id"]
    assert second["key"] != first["key"]


def test_a_key_for_an_unknown_account_is_refused(operator: Operator) -> None:
    operator.creates_key()

    assert_refused(operator.types("keys", "create", "--account", UNKNOWN_ACCOUNT))


def test_listed_keys_never_show_the_key(operator: Operator) -> None:
    created = operator.creates_key()

    listed = operator.lists_keys()

    assert [row["key_id"] for row in listed] == [created["key_id"]]
    assert listed[0]["revoked_at"] is None
    assert created["key"] not in json.dumps(listed)


def test_a_list_off_a_terminal_is_an_object_on_each_line(operator: Operator) -> None:
    made = [operator.creates_key()["key_id"] for _ in range(2)]

    listed = [json.loads(line) for line in operator.types("keys", "list").stdout.splitlines()]

    assert {row["key_id"] for row in listed} == set(made)
    assert listed == operator.lists_keys()


@pytest.mark.parametrize("length", [8, 12, 1_000])
def test_a_key_is_revoked_by_its_id_or_the_beginning_of_it(operator: Operator, length: int) -> None:
    created = operator.creates_key()

    result = operator.types("keys", "revoke", created["key_id"][:length])

    assert result.exit_code == 0, result.output
    assert result.stdout == created["key_id"] + "\n"
    assert operator.lists_keys()[0]["revoked_at"] is not None


def test_revoking_twice_says_so(operator: Operator) -> None:
    created = operator.creates_key()
    operator.types("keys", "revoke", created["key_id"])

    result = operator.types("keys", "revoke", created["key_id"])

    assert result.exit_code == 0
    assert result.stderr == "It was revoked before.\n"


def test_a_beginning_that_many_ids_share_is_refused(operator: Operator) -> None:
    operator.creates_key()
    operator.creates_key()

    result = operator.types("keys", "revoke", "key_")

    assert_refused(result)
    assert "2 keys begin with 'key_'" in result.stderr
    assert all(row["revoked_at"] is None for row in operator.lists_keys())


@pytest.mark.parametrize("start", ["", "key_none", "orch_live_" + "0" * 64])
def test_what_names_no_key_is_refused(operator: Operator, start: str) -> None:
    operator.creates_key()

    assert_refused(operator.types("keys", "revoke", start))
