"""Where a client finds its server and key."""

from pathlib import Path

import pytest

from orchestrion.client.config import find_target
from orchestrion.client.errors import ConfigurationError
from orchestrion.client.sync import Orchestrion

FILE = """
profile = "home"

[profiles.default]
api_key = "key-of-default"

[profiles.home]
url = "https://home.example/"
api_key = "key-of-home"

[profiles.work]
url = "https://work.example"
api_key = "key-of-work"
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Give an environment with a file of profiles."""
    path = tmp_path / ".config" / "orchestrion" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(FILE)
    return {"HOME": str(tmp_path)}


def found(
    environ: dict[str, str], url: str | None = None, api_key: str | None = None
) -> tuple[str, str | None]:
    """Give the server and key that are chosen."""
    target = find_target(url, api_key, environ)
    return target.url, target.api_key


def test_an_argument_goes_before_the_environment(home: dict[str, str]) -> None:
    environ = {**home, "ORCHESTRION_URL": "http://env.example", "ORCHESTRION_API_KEY": "env"}

    assert found(environ, "http://arg.example", "arg") == ("http://arg.example", "arg")
    assert found(environ) == ("http://env.example", "env")


def test_the_key_of_the_guide_is_known(home: dict[str, str]) -> None:
    environ = {**home, "ORCHESTRION_URL": "http://env.example", "ORCHESTRION_KEY": " env\n"}

    assert found(environ) == ("http://env.example", "env")
    assert found({**environ, "ORCHESTRION_API_KEY": "api"}) == ("http://env.example", "api")


def test_the_environment_goes_before_the_profile(home: dict[str, str]) -> None:
    assert found(home) == ("https://home.example", "key-of-home")
    assert found({**home, "ORCHESTRION_PROFILE": "work"}) == ("https://work.example", "key-of-work")
    assert found({**home, "ORCHESTRION_API_KEY": "env"}) == ("https://home.example", "env")


def test_a_profile_without_a_server_is_for_this_machine(home: dict[str, str]) -> None:
    environ = {**home, "ORCHESTRION_PROFILE": "default"}

    assert found(environ) == ("http://127.0.0.1:8080", "key-of-default")


def test_without_anything_the_server_is_this_machine(tmp_path: Path) -> None:
    assert found({"HOME": str(tmp_path)}) == ("http://127.0.0.1:8080", None)


def test_the_key_of_a_profile_goes_to_its_server_only(home: dict[str, str]) -> None:
    assert found(home, "http://other.example") == ("http://other.example", None)
    assert found({**home, "ORCHESTRION_URL": "http://other.example"})[1] is None
    assert found(home, "https://home.example")[1] == "key-of-home"


def test_the_file_may_stand_where_the_system_says(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".config").rename(tmp_path / "elsewhere")

    environ = {**home, "XDG_CONFIG_HOME": str(tmp_path / "elsewhere")}

    assert found(environ) == ("https://home.example", "key-of-home")


def test_a_profile_that_does_not_exist_is_an_error(home: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"no profile 'nowhere': add \[profiles.nowhere\]"):
        found({**home, "ORCHESTRION_PROFILE": "nowhere"})


@pytest.mark.parametrize("text", ["profile = ", "[profiles.default]\nurl = 7", "\xff"])
def test_a_file_of_no_use_is_an_error_that_names_it(home: dict[str, str], text: str) -> None:
    path = Path(home["HOME"]) / ".config" / "orchestrion" / "config.toml"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(ConfigurationError, match=r"config\.toml"):
        found(home)


def test_a_file_of_no_use_does_not_matter_where_it_is_not_needed(home: dict[str, str]) -> None:
    path = Path(home["HOME"]) / ".config" / "orchestrion" / "config.toml"
    path.write_text("profile = ")

    assert found(home, "http://arg.example", "arg") == ("http://arg.example", "arg")


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8080", "ftp://x", "//x", "http://", "http://[::1", "http://x:0", "http://x:y"),
        *("http://user:secret@x", "http://x?a=1", "http://x#a"),
    ],
)
def test_an_address_of_no_use_is_an_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="address") as caught:
        Orchestrion(url, "key")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["orch\nlive", "schlüssel", "a\0b"])
def test_a_key_that_fits_no_header_is_an_error_that_does_not_show_it(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Orchestrion("http://127.0.0.1:1", key)

    assert key not in str(caught.value)


def test_a_client_shows_its_server_and_not_its_key() -> None:
    with Orchestrion("http://127.0.0.1:1/", "orch_live_secret") as client:
        assert repr(client) == "Orchestrion('http://127.0.0.1:1')"
        assert "secret" not in repr(vars(client))
