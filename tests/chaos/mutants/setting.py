"""What a scene is played in: how many servers, in what circumstances, on what plan."""

from pathlib import Path
from typing import Final

import msgspec

from tests.chaos.mutants.conditions import Conditions

PLENTY: Final = 100_000
RETENTION_DAYS: Final = 30
_DAY_SECONDS: Final = 24 * 3_600


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a scene is played in; on PostgreSQL where there are several replicas."""

    replicas: int = 1
    conditions: Conditions = Conditions()
    # Of the plan that every account has.
    max_workers: int = PLENTY

    @property
    def store(self) -> str:
        """Which database it takes."""
        return "sqlite" if self.replicas == 1 else "postgres"

    @property
    def retention_days(self) -> float:
        """How long what ended is kept."""
        seconds = self.conditions.retention_seconds
        return RETENTION_DAYS if seconds is None else seconds / _DAY_SECONDS

    def plans(self, folder: Path) -> Path:
        """Write the catalogue."""
        numbers = {"max_workers": self.max_workers, "retention_days": RETENTION_DAYS}
        numbers |= dict.fromkeys(("tasks_per_cycle", "claims_per_hour", "creates_per_hour"), 10**9)
        lines = ["[plans.free]", 'name = "Free"', "price_usd = 0"]
        file = folder / "plans.toml"
        file.write_text(
            "\n".join(lines + [f"{name} = {n}" for name, n in numbers.items()]), "utf-8"
        )
        return file
