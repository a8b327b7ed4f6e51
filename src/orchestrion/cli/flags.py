"""Turns the table of settings into flags of commands, so that neither can drift."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import click
import msgspec

from orchestrion.settings import SETTINGS, Setting, Settings, Sources
from orchestrion.settings.sources import CONFIG_VARIABLE

_Command = TypeVar("_Command", bound=Callable[..., object])


def settings_flags(names: Iterable[str]) -> Callable[[_Command], _Command]:
    """Add `--config` and the flags of these settings to a command."""
    wanted = set(names)

    def decorate(command: _Command) -> _Command:
        # Click lists options in the reverse of the order in which they are applied.
        command = click.option(
            "--config", metavar="FILE", help=f"TOML file of settings. [{CONFIG_VARIABLE}]"
        )(command)
        for setting in reversed(SETTINGS):
            if setting.name in wanted and not setting.secret:
                command = _flag(setting)(command)
        return command

    return decorate


def sources(values: Mapping[str, str | None]) -> Sources:
    """Gather the places settings may come from, given what Click parsed."""
    flags = {name: text for name, text in values.items() if text is not None and name != "config"}
    return Sources(flags=flags, variables=os.environ, config=values["config"])


def _flag(setting: Setting) -> Callable[[_Command], _Command]:
    # Values stay text here: one reader, and one wording of what is wrong, for all sources.
    return click.option(
        setting.flag,
        setting.name,
        metavar="TEXT",
        help=f"{setting.about} Allowed: {setting.kind.allowed}. "
        f"[{setting.variable}; default: {default_of(setting)}]",
    )


def default_of(setting: Setting) -> str:
    """Give a setting's default as it is shown."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    return "none" if defaults[setting.name] in ("", (), None) else str(defaults[setting.name])
