"""Every verb of the life cycle, applied by name."""

from collections.abc import Callable, Mapping

from orchestrion.core import lifecycle
from orchestrion.core.ids import LeaseToken
from orchestrion.core.lease import Completion, Failure, Lease
from orchestrion.core.lifecycle import Verb
from orchestrion.core.outcomes import Rejection
from orchestrion.core.task import Task
from tests.factories import NOW, OTHER_TOKEN


def apply(verb: Verb, task: Task, token: LeaseToken | None) -> Task | Rejection:
    steps: Mapping[Verb, Callable[[], Task | Rejection]] = {
        Verb.CLAIM: lambda: lifecycle.claim(
            task, NOW, Lease(worker_id="worker-8", token=OTHER_TOKEN)
        ),
        Verb.HEARTBEAT: lambda: lifecycle.heartbeat(task, NOW, token),
        Verb.COMPLETE: lambda: lifecycle.complete(task, NOW, token, Completion()),
        Verb.FAIL: lambda: lifecycle.fail(task, NOW, token, Failure()),
        Verb.RELEASE: lambda: lifecycle.release(task, NOW, token or OTHER_TOKEN, Failure()),
        Verb.CANCEL: lambda: lifecycle.cancel(task, NOW),
        Verb.REQUEST_CANCEL: lambda: lifecycle.request_cancel(task, NOW),
        Verb.REQUEUE: lambda: lifecycle.requeue(task, NOW),
        Verb.EXPIRE: lambda: lifecycle.expire(task, NOW),
    }
    return steps[verb]()
