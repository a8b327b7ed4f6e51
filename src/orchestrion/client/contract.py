"""What the server says to do next, as it comes with every answer."""

import msgspec


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One possible next step. `action` is a code; codes this release does not know are kept.

    `endpoint` is a path of the server, or an absolute URL for `download_artifact`.
    """

    action: str = "none"
    available: bool = False
    recommended: bool = False
    description: str = ""
    method: str = ""
    endpoint: str = ""
    retry_after_seconds: float | None = None

    @property
    def words(self) -> str:
        """The step as a sentence for a reader; decide by `action`, never by this."""
        said = self.description or f"{self.action.replace('_', ' ').capitalize()}."
        if self.retry_after_seconds is not None:
            said = f"Wait {self.retry_after_seconds:g} s. {said}"
        return f"{said} [{self.method} {self.endpoint}]" if self.endpoint else said


NO_ADVICE = Action()


class AgentContract(msgspec.Struct, frozen=True, kw_only=True):
    """What to do next, best first, and what is true of the lease of the task shown.

    A field that does not apply to the answer is None.
    """

    version: str = "1"
    retryable: bool = False
    next_actions: tuple[Action, ...] = ()
    task_claimable: bool | None = None
    lease_valid: bool | None = None
    lease_expires_in_seconds: int | None = None
    recommended_heartbeat_interval_seconds: int | None = None
    cancel_requested: bool = False

    @property
    def recommended(self) -> Action:
        """The one step to take; an action `none` where the server gave no advice."""
        for action in self.next_actions:
            if action.recommended:
                return action
        return self.next_actions[0] if self.next_actions else NO_ADVICE


NO_CONTRACT = AgentContract()
