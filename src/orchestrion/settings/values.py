"""Reads the text of one setting into its value; must not know where the text came from."""

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

import msgspec

from orchestrion.core.plan_file import PlanFileError, catalogue_from_toml
from orchestrion.payments.hosts import BaseUrl
from orchestrion.store.address import read_address, read_postgres_url

PORT_MAX = 65_535
SECONDS_MAX = 3_600
LIST_LENGTH_MAX = 100
FILE_BYTES_MAX = 1024 * 1024
PLANS_BUILT_IN = ("self-hosted", "hosted")

Network = IPv4Network | IPv6Network

_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,253}")
_ORIGIN = re.compile(r"https?://(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_CREDENTIAL = re.compile(r"[!-~]{1,200}")
_NUMBER = re.compile(r"[0-9]{1,9}")


class Secret(msgspec.Struct, frozen=True):
    """A text that is shown to nobody."""

    text: str

    def __repr__(self) -> str:
        return "Secret(…)"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """How a value is read, and the words for what is allowed; `read` raises ValueError."""

    read: Callable[[str], object]
    allowed: str


def read_file(path: Path) -> str:
    """Read a small text file; raises ValueError with the reason where that cannot be."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ValueError(error.strerror or "not readable") from error
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8 text") from error
    if len(text) > FILE_BYTES_MAX:
        raise ValueError("larger than 1 MiB")
    return text


def loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def one_of(*choices: str) -> Kind:
    """Allow a few words, as they are."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return Kind(read=read, allowed=" or ".join(choices))


def whole_number(least: int, most: int) -> Kind:
    """Allow decimal digits between two bounds."""

    def read(text: str) -> int:
        if _NUMBER.fullmatch(text) is None or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return Kind(read=read, allowed=f"a whole number from {least} to {most}")


def list_of(read_item: Callable[[str], object], allowed: str) -> Kind:
    """Allow comma-separated items, none included."""

    def read(text: str) -> tuple[object, ...]:
        items = [item.strip() for item in text.split(",")] if text.strip() else []
        if len(items) > LIST_LENGTH_MAX:
            raise ValueError(f"{len(items)} items; {LIST_LENGTH_MAX} are the most")
        return tuple(read_item(item) for item in items)

    return Kind(read=read, allowed=allowed)


def _plans(text: str) -> str:
    if text in PLANS_BUILT_IN:
        return text
    if not text:
        raise ValueError
    try:
        catalogue_from_toml(read_file(Path(text)))
    except PlanFileError as error:
        raise ValueError(str(error)) from error
    return text


def _host(text: str) -> str:
    if _HOST.fullmatch(text) is None:
        raise ValueError
    return text


def _origin(text: str) -> str:
    match = _ORIGIN.fullmatch(text)
    if match is None or int(match.group(1) or 0) > PORT_MAX:
        raise ValueError
    return text


def _credential(text: str) -> str:
    if text and _CREDENTIAL.fullmatch(text) is None:
        raise ValueError
    return text


def _secret(text: str) -> Secret | None:
    return Secret(_credential(text)) if text else None


def _paypal_url(text: str) -> str:
    return BaseUrl.parse(text).text


def _public_url(text: str) -> str:
    return _origin(text.removesuffix("/")) if text else ""


def _base_url(text: str) -> str:
    scheme, _, rest = text.partition("://")
    host, _, path = rest.partition("/")
    _origin(f"{scheme}://{host}")
    if re.fullmatch(r"[A-Za-z0-9._~/-]*", path) is None:
        raise ValueError
    return text.rstrip("/")


def _cors_origin(text: str) -> str:
    return text if text == "*" else _origin(text)


def _network(text: str) -> Network:
    return ip_network(text)


DATABASE = Kind(
    read=read_address,
    allowed="sqlite:///FILE (from the working folder), sqlite:////FILE (from the root) "
    "or postgresql://[USER[:PASSWORD]@]HOST[:PORT]/NAME[?PARAMETERS]",
)
NOTIFY_DATABASE = Kind(
    read=read_postgres_url,
    allowed="postgresql://[USER[:PASSWORD]@]HOST[:PORT]/NAME[?PARAMETERS], or nothing",
)
PLANS = Kind(read=_plans, allowed="self-hosted, hosted or the path of a TOML file of plans")
HOST = Kind(read=_host, allowed="an address or host name to listen on")
PUBLIC_URL = Kind(read=_public_url, allowed="an http or https URL without a path, or nothing")
BASE_URL = Kind(read=_base_url, allowed="an http or https URL without query or fragment")
_WORD = "up to 200 printable characters without spaces, or nothing"
CREDENTIAL = Kind(read=_credential, allowed=_WORD)
SECRET = Kind(read=_secret, allowed=_WORD)
PAYPAL_URL = Kind(
    read=_paypal_url,
    allowed="https at paypal.com or a host below it, such as https://api-m.sandbox.paypal.com, "
    "without a path; or an address of this machine",
)
PROXIES = list_of(_network, "networks such as 10.0.0.0/8 or addresses, separated by commas")
ORIGINS = list_of(_cors_origin, "origins such as https://app.example.com or *, separated by commas")
