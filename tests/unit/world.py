"""A database made of dictionaries: what one batch leaves behind, the next one sees."""

from collections.abc import Iterable

from orchestrion.core.account import Account
from orchestrion.core.commands import Command
from orchestrion.core.decide import decide_all
from orchestrion.core.ids import AccountId, TaskId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.outcomes import Again, Outcome
from orchestrion.core.plans import SELF_HOSTED, Catalogue
from orchestrion.core.purchase import Purchase
from orchestrion.core.purchases import PurchaseKey
from orchestrion.core.task import Task
from orchestrion.core.view import IdempotencyRow, View
from tests.factories import ACCOUNT, ACCOUNT_ID, NOW, a_view


class World:
    def __init__(
        self,
        tasks: Iterable[Task] = (),
        *,
        accounts: Iterable[Account] = (ACCOUNT,),
        catalogue: Catalogue = SELF_HOSTED,
        now: Instant = NOW,
    ) -> None:
        self.now = now
        self.catalogue = catalogue
        self.tasks = {(task.account_id, task.id): task for task in tasks}
        self.accounts: dict[AccountId, Account] = {one.id: one for one in accounts}
        self.purchases: dict[PurchaseKey, Purchase] = {}
        self.remembered: dict[tuple[AccountId, str], IdempotencyRow] = {}

    def wait(self, seconds: int) -> None:
        self.now = Instant(self.now + seconds * SECOND)

    def task(self, task_id: TaskId) -> Task:
        return self.tasks[ACCOUNT_ID, task_id]

    def submit(self, *commands: Command) -> list[Outcome]:
        """Decide the commands as one batch and keep what they changed."""
        view = a_view(
            *commands,
            tasks=self.tasks.values(),
            accounts=self.accounts.values(),
            remembered=self.remembered.values(),
            purchases=self.purchases.values(),
            now=self.now,
        )
        outcomes = decide_all(commands, self.catalogue, view)
        self._save(view)
        return outcomes

    def settle(self, command: Command) -> Outcome:
        """Submit one command, once more for every Again."""
        outcome: Outcome = Again()
        while isinstance(outcome, Again):
            (outcome,) = self.submit(command)
        return outcome

    def _save(self, view: View) -> None:
        assert not view.new_tasks.keys() & self.tasks.keys()
        assert view.changed_tasks.keys() <= self.tasks.keys()
        self.tasks |= view.new_tasks | view.changed_tasks
        for task_key in view.deleted_tasks:
            del self.tasks[task_key]
        self.accounts |= {one: view.accounts[one] for one in view.changed_accounts}
        self.accounts |= {one.id: one for one in view.new_accounts}
        assert view.purchases.changed.keys() <= self.purchases.keys()
        self.purchases |= view.purchases.new | view.purchases.changed
        self.remembered |= {(row.account_id, row.key): row for row in view.new_idempotency}
        for key in view.deleted_idempotency:
            del self.remembered[key]
