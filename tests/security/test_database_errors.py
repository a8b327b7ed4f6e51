"""What a database says of a row that it refuses is logged without the row."""

from typing import Final

import pytest

from orchestrion.observe.tracebacks import traceback_text
from tests.databases import POSTGRES, SQLITE
from tests.harness import Account, Harness
from tests.security.agent_texts import MARK

TRIGGER: Final = f"""
create trigger refusal before insert on tasks when new.type like '%{MARK}%'
begin select raise(abort, 'refused'); end
"""
REFUSAL: Final = {
    SQLITE: (TRIGGER, "drop trigger refusal"),
    POSTGRES: (
        f"alter table tasks add constraint refusal check (type not like '%{MARK}%')",
        "alter table tasks drop constraint refusal",
    ),
}


async def test_a_row_that_is_refused_does_not_stand_in_the_traceback(
    service: Harness, account: Account
) -> None:
    refuse, allow = REFUSAL[SQLITE if service.database.kind == SQLITE else POSTGRES]
    service.database.execute(refuse)

    answer = await service.client.post(
        "/v1/tasks",
        headers={**account.headers, "Idempotency-Key": f"key {MARK}"},
        json={"type": f"report-{MARK}", "payload": {MARK: MARK}},
    )

    service.database.execute(allow)
    assert answer.status_code == 500, answer.text
    ((_, _, error),) = service.observer.faults
    told = traceback_text(error)
    assert "refus" in told
    assert MARK not in told
    assert account.id not in told
    assert MARK not in answer.text


def test_details_are_left_out_of_errors_that_come_in_groups() -> None:
    inner = ValueError(f"no such row\nDETAIL:  Failing row contains ({MARK}).\nHINT:  look")
    with pytest.raises(ExceptionGroup) as caught:
        raise ExceptionGroup("several", [inner])

    told = traceback_text(caught.value)

    assert "no such row" in told
    assert MARK not in told
