"""The purchases one batch may touch, and as the batch changes them; part of its view."""

from collections.abc import Iterable

from orchestrion.core.ids import AccountId, PurchaseId
from orchestrion.core.purchase import Purchase

PurchaseKey = tuple[AccountId, PurchaseId]


class Purchases:
    """The loaded purchases, each decision seeing the changes of those before it."""

    def __init__(self) -> None:
        self.new: dict[PurchaseKey, Purchase] = {}
        self.changed: dict[PurchaseKey, Purchase] = {}
        self._kept: dict[PurchaseKey, Purchase] = {}
        self._newest: dict[AccountId, PurchaseId] = {}

    def load(self, named: Iterable[Purchase], newest: Iterable[Purchase]) -> None:
        """Take purchases that commands name, and the newest of each account that has one."""
        for row in named:
            self._kept[row.account_id, row.id] = row
        for row in newest:
            self._kept[row.account_id, row.id] = row
            self._newest[row.account_id] = row.id

    def get(self, account_id: AccountId, purchase_id: PurchaseId) -> Purchase | None:
        """Give the account's purchase as it is now within the batch."""
        return self._kept.get((account_id, purchase_id))

    def newest(self, account_id: AccountId) -> Purchase | None:
        """Give the account's newest purchase as it is now within the batch."""
        newest = self._newest.get(account_id)
        return None if newest is None else self._kept[account_id, newest]

    def insert(self, purchase: Purchase) -> None:
        """Add a new purchase, which is the account's newest."""
        key = (purchase.account_id, purchase.id)
        self._kept[key] = self.new[key] = purchase
        self._newest[purchase.account_id] = purchase.id

    def put(self, purchase: Purchase) -> None:
        """Replace a purchase by its changed self."""
        key = (purchase.account_id, purchase.id)
        saved = self.new if key in self.new else self.changed
        self._kept[key] = saved[key] = purchase
