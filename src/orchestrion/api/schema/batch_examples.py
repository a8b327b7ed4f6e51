"""Examples of what several tasks in one request come to, written by the code that answers."""

from orchestrion.api.batches import Item, write_items
from orchestrion.api.http import Request
from orchestrion.api.respond import Responder
from orchestrion.api.schema import scenes
from orchestrion.core import batch_guidance, lifecycle
from orchestrion.core.batch_guidance import Advice
from orchestrion.core.ids import LeaseToken, RequestId
from orchestrion.core.lease import Completion
from orchestrion.core.operations import BY_NAME
from orchestrion.core.outcomes import Changed, Held, Outcome, Rejection, Replayed

_REQUEST_ID = RequestId("req_01M814Q2XKP1XPA7Z3DJ8FSSZ5")
_OLD = LeaseToken("lse_00112233445566778899aabbccddeeff00")


def batch_examples(responder: Responder) -> dict[str, bytes]:
    """Give the answers under their names."""
    now, later = scenes.NOW, scenes.LATER
    created = Changed(task=scenes.PENDING, now=now)
    again = Replayed(first=scenes.PENDING, current=scenes.CLAIMED, now=now)
    late = lifecycle.complete(scenes.CLAIMED, later, _OLD, Completion())
    assert isinstance(late, Rejection), "the token of another claim"

    def written(operation: str, after: Advice, *outcomes: Outcome) -> bytes:
        items = [_item(operation, outcome) for outcome in outcomes]
        return write_items(responder, items, after)

    return {
        "items_created": written("create_task", batch_guidance.CREATED, created, again),
        "items_completed": written(
            "complete_task",
            batch_guidance.COMPLETED,
            Changed(task=scenes.COMPLETED, now=later),
            late,
        ),
        "items_failed": written(
            "fail_task", batch_guidance.FAILED, Changed(task=scenes.DELAYED, now=later)
        ),
        "items_renewed": written(
            "heartbeat", batch_guidance.RENEWED, Held(task=scenes.RENEWED, now=later)
        ),
        "completed_and_claimed": responder.finished(
            Changed(task=scenes.COMPLETED, now=later),
            Held(task=scenes.NEXT, now=later),
            _request("complete_task"),
        ).body,
        "claim_several": responder.claimed_several(
            Held(task=scenes.CLAIMED, more=(scenes.NEXT,), now=later)
        ).body,
    }


def _item(operation: str, outcome: Outcome) -> Item:
    item = Item(_request(operation))
    item.outcome = outcome
    return item


def _request(operation: str) -> Request:
    return Request(
        operation=BY_NAME[operation],
        request_id=_REQUEST_ID,
        headers={},
        path_id=scenes.PENDING.id if "{id}" in BY_NAME[operation].path else "",
    )
