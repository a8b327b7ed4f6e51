"""What stores and payments may raise: five faults the writer answers differently, and others."""


class Fault(Exception):
    """The world broke; nobody's request was wrong."""


class Poison(Fault):
    """One command cannot be carried out; the transaction is surely rolled back."""


class Conflict(Fault):
    """Another transaction was in the way; surely rolled back, and worth another try."""


class Unavailable(Fault):
    """The database cannot take writes now; surely rolled back."""


class Crowded(Unavailable):
    """Too many wait for the database already: there is nothing wrong with it."""


class Blocked(Unavailable):
    """Another transaction holds one of the rows for longer than is waited; surely rolled back."""


class Unknown(Fault):
    """The answer of a commit was lost: it may or may not have happened, so never replay it."""


class PaymentsUnavailable(Fault):
    """Whoever takes the money did not answer, or not as agreed; what they did is unknown."""


class PaymentsBusy(PaymentsUnavailable):
    """Too much is being asked of whoever takes the money; they were not asked this."""


class StoreRefused(Exception):
    """A database file or setting that must not be used; the text is one line for the operator."""
