"""Finds each setting's value: flag, then variable, then file; must not know any setting."""

import re
import tomllib
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from orchestrion.settings.table import VARIABLE_START, Setting
from orchestrion.settings.values import FILE_BYTES_MAX, read_file

CONFIG_VARIABLE = VARIABLE_START + "CONFIG"
CONFIG_ALLOWED = "the path of a readable TOML file"
SHOWN_LENGTH_MAX = 120

# Where a password may stand: before the last @, and behind its name.
_USER_INFO = re.compile(r"(?<=://).*@", re.DOTALL)
_NAMED = re.compile(r"(password\s*=).*", re.DOTALL | re.IGNORECASE)
_SERVER_URL = re.compile(r"^(?!sqlite:)([A-Za-z0-9+.-]*:/*).*", re.DOTALL)


class SettingError(ValueError):
    """A setting that cannot be used; the text is one line: setting, value, what is allowed."""


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where values may come from: flags and variables by their names, and `--config`."""

    flags: Mapping[str, str] = msgspec.field(default_factory=dict)
    variables: Mapping[str, str] = msgspec.field(default_factory=dict)
    config: str | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A value as it was given, and the place to look for it."""

    value: object
    place: str


def resolve(
    table: Sequence[Setting], sources: Sources, wanted: Container[str]
) -> dict[str, object]:
    """Read the wanted settings of the table that are given anywhere; raises SettingError."""
    in_file = _file_values(table, sources)
    given: dict[str, object] = {}
    for setting in table:
        if setting.name not in wanted:
            continue
        found = _flag(setting, sources) or _variable(setting, sources) or in_file.get(setting.name)
        if found is not None:
            given[setting.name] = _value(setting, found)
    return given


def _flag(setting: Setting, sources: Sources) -> Found | None:
    text = sources.flags.get(setting.name)
    return None if text is None else Found(value=text, place=setting.flag)


def _variable(setting: Setting, sources: Sources) -> Found | None:
    # An empty variable counts as none: container files pass variables on whether set or not.
    direct = sources.variables.get(setting.variable) or None
    pointer_name = setting.variable + "_FILE"
    pointer = (sources.variables.get(pointer_name) or None) if setting.pointed else None
    if direct is not None and pointer is not None:
        raise SettingError(
            f"setting {setting.name} is given twice: "
            f"allowed is either {setting.variable} or {pointer_name}"
        )
    if pointer is not None:
        return Found(value=_pointed(setting, pointer), place=pointer_name)
    return None if direct is None else Found(value=direct, place=setting.variable)


def _pointed(setting: Setting, pointer: str) -> str:
    try:
        return read_file(Path(pointer)).removesuffix("\n").removesuffix("\r")
    except ValueError as error:
        found = Found(value=pointer, place=setting.variable + "_FILE")
        raise _refusal(setting.name, found, "the path of a readable file", error) from error


def _file_values(table: Sequence[Setting], sources: Sources) -> dict[str, Found]:
    name = sources.config or sources.variables.get(CONFIG_VARIABLE) or None
    if name is None:
        return {}
    place = "--config" if sources.config else CONFIG_VARIABLE
    try:
        values = tomllib.loads(read_file(Path(name)))
    except ValueError as error:
        found = Found(value=name, place=place)
        raise _refusal("config", found, CONFIG_ALLOWED, error) from error
    allowed = [setting.name for setting in table]
    for key in values:
        if key not in allowed:
            raise SettingError(
                f"setting {shown(key)} (file {shown(name)}) is unknown: "
                f"allowed is {', '.join(allowed)}"
            )
    return {key: Found(value=value, place=f"file {shown(name)}") for key, value in values.items()}


def _value(setting: Setting, found: Found) -> object:
    try:
        return setting.kind.read(_text(found.value))
    except ValueError as error:
        if setting.secret:
            # Nor may the reader's reason be shown: it may quote the value.
            secret = f"setting {setting.name} ({found.place}) cannot be what it is"
            raise SettingError(f"{secret}: allowed is {setting.kind.allowed}") from None
        if setting.sensitive:
            found = replace(found, value=_hidden(found.value))
        raise _refusal(setting.name, found, setting.kind.allowed, error) from error


def _hidden(value: object) -> str:
    return _SERVER_URL.sub(r"\1…", value) if isinstance(value, str) else "…"


def _text(value: object) -> str:
    match value:
        case bool():
            pass
        case str():
            return value
        case int() | float():
            return str(value)
        case list() if all(isinstance(item, str) for item in value):
            return ",".join(value)
    raise ValueError


def _refusal(name: str, found: Found, allowed: str, reason: ValueError) -> SettingError:
    why = f" ({shown_line(str(reason))})" if str(reason) else ""
    return SettingError(
        f"setting {name} ({found.place}) cannot be {shown(found.value)}: allowed is {allowed}{why}"
    )


def shown(value: object) -> str:
    """Quote a value on one line, shortened, without what may be a password."""
    text = value if isinstance(value, str) else repr(value)
    text = _NAMED.sub(r"\1…", _USER_INFO.sub("…@", text[:FILE_BYTES_MAX]))
    if len(text) > SHOWN_LENGTH_MAX:
        text = text[:SHOWN_LENGTH_MAX] + "…"
    return repr(text) if isinstance(value, str) else shown_line(text)


def shown_line(text: str) -> str:
    """Put a text on one printable line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
