"""Where the client finds its server and key: argument, environment, profile, this machine."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from orchestrion.client.errors import ConfigurationError
from orchestrion.client.secret import Discreet

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_PROFILE = "default"


class Target(Discreet, frozen=True, kw_only=True):
    """A server and the key for it; without a key only public calls succeed."""

    url: str
    api_key: str | None = None


def find_target(
    url: str | None, api_key: str | None, environ: Mapping[str, str] | None = None
) -> Target:
    """Choose server and key; raises ConfigurationError for a file or address of no use."""
    environ = os.environ if environ is None else environ
    named = url or environ.get("ORCHESTRION_URL")
    key = api_key or environ.get("ORCHESTRION_API_KEY") or environ.get("ORCHESTRION_KEY")
    profile = Target(url=DEFAULT_URL) if named and key else read_profile(environ)
    chosen = _checked(named or profile.url)
    # A profile's key is for the profile's server: nobody else may see it.
    if key is None and chosen == profile.url.rstrip("/"):
        key = profile.api_key
    return Target(url=chosen, api_key=_clean(key) if key else None)


def profile_path(environ: Mapping[str, str]) -> Path:
    """Give the place of the file of profiles."""
    base = environ.get("XDG_CONFIG_HOME")
    folder = Path(base) if base else Path(environ.get("HOME") or Path.home()) / ".config"
    return folder / "orchestrion" / "config.toml"


def read_profile(environ: Mapping[str, str]) -> Target:
    """Read the profile that ORCHESTRION_PROFILE names, or the file's `profile`, or `default`."""
    path = profile_path(environ)
    wanted = environ.get("ORCHESTRION_PROFILE")
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        said = {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    name = wanted or said.get("profile", DEFAULT_PROFILE)
    profiles = said.get("profiles", {})
    found = profiles.get(name) if isinstance(profiles, dict) else None
    if found is None:
        if wanted:
            raise ConfigurationError(f"{path} has no profile '{wanted}': add [profiles.{wanted}].")
        found = {}
    return _target(path, name, found)


def _target(path: Path, name: str, found: Mapping[str, Any]) -> Target:
    url, key = found.get("url", DEFAULT_URL), found.get("api_key")
    if not isinstance(url, str) or not (key is None or isinstance(key, str)):
        raise ConfigurationError(f"{path}: 'url' and 'api_key' of profile '{name}' must be texts.")
    return Target(url=url, api_key=key)


def _clean(key: str) -> str:
    stripped = key.strip()
    if not (stripped.isascii() and stripped.isprintable()):
        raise ConfigurationError("The API key holds characters that no key has: copy it again.")
    return stripped


def _checked(url: str) -> str:
    if not _usable(url):
        raise ConfigurationError(
            "The address of the server cannot be used: write it as 'http://127.0.0.1:8080'."
        )
    return url.rstrip("/")


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        return False
    beside = parts.username or parts.password or parts.query or parts.fragment
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and not beside
