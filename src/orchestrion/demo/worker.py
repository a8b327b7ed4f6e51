"""One worker as a process of its own: claims, heartbeats, counts, completes, until it is ended."""

import os
import sys
import time

import msgspec

from orchestrion.demo.api import Api, Refused
from orchestrion.demo.events import Event, Kind
from orchestrion.demo.files import read
from orchestrion.demo.markdown import Counts, count
from orchestrion.demo.printing import counted
from orchestrion.demo.wire import Claim, Task

TASK_TYPE = "count_markdown"
KEY_VARIABLE = "ORCHESTRION_KEY"
# The server recommends a third of the lease; a demonstration wants to show more of them.
HEARTBEAT_SECONDS = 1.0
RETRY_AFTER_SECONDS = 2
REASON_LENGTH_MAX = 200


class Worker:
    """A worker's loop, as the API's guide describes it."""

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self._name = name

    def work(self) -> None:
        """Take tasks for ever."""
        while True:
            claim = self._api.claim(TASK_TYPE, self._name)
            if claim.task is not None:
                self._attempt(claim, claim.task)
                continue
            wait_seconds = claim.agent_contract.next_actions[0].retry_after_seconds
            self._tell(Event(kind=Kind.WAITED, worker=self._name, detail=str(wait_seconds)))
            time.sleep(wait_seconds)

    def _attempt(self, claim: Claim, task: Task) -> None:
        self._tell(self._event(Kind.CLAIMED, task, task))
        try:
            self._finish(claim.lease_token, task)
        except Refused as refused:
            # A 409: the lease is over and the task no longer ours. Whoever has it now finishes it.
            self._tell(self._event(Kind.LOST, task, task, str(refused)))

    def _finish(self, lease_token: str, task: Task) -> None:
        try:
            text = read(task.payload.text)
        except OSError as error:
            reason = (error.strerror or "cannot be read")[:REASON_LENGTH_MAX]
            outcome = {"reason": reason, "retry_after_seconds": RETRY_AFTER_SECONDS}
            answer = self._api.fail(task.id, {"lease_token": lease_token, **outcome})
            self._tell(self._event(Kind.FAILED, task, answer, reason))
            return
        self._linger(lease_token, task)
        counts = count(text)
        answer = self._api.complete(task.id, {"lease_token": lease_token, "result": counts})
        self._tell(self._event(Kind.COMPLETED, task, answer, _summary(counts)))

    def _linger(self, lease_token: str, task: Task) -> None:
        # Counting takes milliseconds, too short to watch or to be killed in: the payload says how
        # long a human reader may be imagined at it.
        left = task.payload.seconds
        while left > HEARTBEAT_SECONDS:
            time.sleep(HEARTBEAT_SECONDS)
            left -= HEARTBEAT_SECONDS
            answer = self._api.heartbeat(task.id, lease_token)
            self._tell(self._event(Kind.HEARTBEAT, task, answer))
        time.sleep(left)

    def _event(self, kind: Kind, task: Task, answer: Task, detail: str = "") -> Event:
        return Event(
            kind=kind,
            worker=self._name,
            task_id=task.id,
            path=task.payload.path,
            attempt=task.attempt_count,
            status=answer.status,
            claimed_at=task.claimed_at,
            lease_ends_at=answer.lease_expires_at,
            detail=detail,
        )

    def _tell(self, event: Event) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
        sys.stdout.buffer.flush()


def _summary(counts: Counts) -> str:
    words = counted(counts.words, "word")
    headings = counted(counts.heading_count, "heading")
    return f"{words}, {headings}, {counted(counts.link_count, 'link')}"


def _run(url: str, name: str) -> None:
    Worker(Api(url, os.environ[KEY_VARIABLE]), name).work()


if __name__ == "__main__":
    _run(*sys.argv[1:])
