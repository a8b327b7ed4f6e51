"""Where a mutant is put in: names of the service that are replaced, and can be put back."""

from types import MappingProxyType, ModuleType
from typing import Any

Texts = MappingProxyType[str, str]


class MissingSeamError(Exception):
    """The service has changed: what a mutant replaces is not there any more."""


class Seams:
    """Replaces what is there, and nothing else."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, object]] = []

    def original(self, owner: object, name: str) -> Any:  # noqa: ANN401 - whatever stands there
        """Give what stands there now, as it is stored: a property, not its value."""
        if name not in vars(owner):
            raise MissingSeamError(f"{owner!r} has no {name}")
        return vars(owner)[name]

    def replace(self, owner: object, name: str, new: object) -> None:
        """Put something else in the place of a name that exists."""
        self._before.append((owner, name, self.original(owner, name)))
        setattr(owner, name, new)

    def reword(self, module: ModuleType, statement: str, old: str, new: str) -> None:
        """Change the words of one SQL statement that a module uses."""
        texts: Texts = self.original(module, "SQL")
        if old not in texts.get(statement, ""):
            raise MissingSeamError(f"{statement} of {module.__name__} does not say {old!r}")
        changed = {**texts, statement: texts[statement].replace(old, new)}
        self.replace(module, "SQL", MappingProxyType(changed))

    def reword_all(self, module: ModuleType, old: str, new: str) -> None:
        """Change the words of every SQL statement of a module that has them."""
        texts: Texts = self.original(module, "SQL")
        found = [statement for statement, text in texts.items() if old in text]
        if not found:
            raise MissingSeamError(f"no statement of {module.__name__} says {old!r}")
        for statement in found:
            self.reword(module, statement, old, new)

    def undo(self) -> None:
        """Put everything back, the last first."""
        while self._before:
            setattr(*self._before.pop())
