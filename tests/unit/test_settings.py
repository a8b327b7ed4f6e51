from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import msgspec
import pytest

from orchestrion.payments.paypal import PayPalOptions
from orchestrion.settings import (
    SETTINGS,
    Setting,
    SettingError,
    Settings,
    Sources,
    load_database_options,
    load_settings,
)
from orchestrion.settings.sources import resolve
from orchestrion.settings.values import FILE_BYTES_MAX, LIST_LENGTH_MAX, one_of, whole_number
from orchestrion.store.address import DatabaseOptions, SqliteFile, read_address

SECRET = Setting(name="pass_phrase", kind=one_of("open sesame"), about="A secret.", secret=True)
PLAIN = Setting(name="speed", kind=whole_number(1, 9), about="Not a secret.")

WRONG = [
    ("host", ""),
    ("host", "a host"),
    ("port", "65536"),
    ("port", "-1"),
    ("port", "80a"),
    ("port", " 80"),
    ("port", "8_0"),
    ("port", "٨٠"),
    ("database", "orchestrion.db"),
    ("database", "sqlite://orchestrion.db"),
    ("database", "sqlite:///"),
    ("database", "sqlite:///folder/"),
    ("database", "sqlite:///:memory:"),
    ("database", "sqlite:///a.db?mode=ro"),
    ("database_pooler", ""),
    ("database_pooler", "session"),
    ("database_batches", "one"),
    ("notify_database", "sqlite:///orchestrion.db"),
    ("plans", ""),
    ("plans", "enterprise"),
    ("plans", "/"),
    ("registration", "Open"),
    ("registration", "yes"),
    ("public_url", "orchestrion.example.com"),
    ("public_url", "ftp://example.com"),
    ("public_url", "https://example.com/orchestrion"),
    ("public_url", "https://example.com/#there"),
    ("public_url", "https://example.com:99999"),
    ("public_url", "https://example.com?x=1"),
    ("payments", "on"),
    ("payments", ""),
    ("paypal_client_id", "my id"),
    ("paypal_client_id", "a" * 201),
    ("paypal_base_url", "http://api-m.paypal.com"),
    ("paypal_base_url", "https://api-m.paypal.com/v2"),
    ("paypal_base_url", "api-m.paypal.com"),
    ("paypal_base_url", "https://gateway.example"),
    ("paypal_webhook_id", "8PT597110X687430\n"),
    ("trusted_proxies", "10.0.0.1/8"),
    ("trusted_proxies", "proxy.example.com"),
    ("trusted_proxies", "10.0.0.0/8,"),
    ("trusted_proxies", ",".join(["10.0.0.1"] * (LIST_LENGTH_MAX + 1))),
    ("cors_origins", "example.com"),
    ("cors_origins", "https://example.com/"),
    ("artifact_base_url", ""),
    ("artifact_base_url", "https://example.com/?q"),
    ("log_level", "loud"),
    ("log_format", "xml"),
    ("metrics_host", ""),
    ("metrics_port", "off"),
    ("workers", "0"),
    ("workers", "many"),
    ("drain_delay_seconds", "1.5"),
    ("drain_delay_seconds", "3601"),
    ("shutdown_seconds", "0"),
    ("shutdown_seconds", "soon\nor later"),
]


def refusal(sources: Sources) -> str:
    with pytest.raises(SettingError) as caught:
        load_settings(sources)
    text = str(caught.value)
    assert text.isprintable()
    return text


def written(folder: Path, text: str) -> str:
    file = folder / "orchestrion.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_every_field_has_a_row_in_the_table_in_the_same_order() -> None:
    assert [setting.name for setting in SETTINGS] == list(Settings.__struct_fields__)


def test_every_default_would_be_accepted_from_an_operator() -> None:
    defaults = Settings()

    for setting in SETTINGS:
        default = getattr(defaults, setting.name)
        text = ",".join(default) if isinstance(default, tuple) else str(default)
        text = "" if default is None else text
        assert setting.kind.read(text) == default, setting.name


def test_nothing_given_means_the_defaults() -> None:
    assert load_settings(Sources()) == Settings()


def test_a_flag_wins_over_a_variable_and_a_variable_over_the_file(tmp_path: Path) -> None:
    config = written(tmp_path, 'port = 1\nhost = "file"\nplans = "hosted"\n')
    variables = {"ORCHESTRION_PORT": "2", "ORCHESTRION_HOST": "variable"}

    settings = load_settings(Sources(flags={"port": "3"}, variables=variables, config=config))

    assert (settings.port, settings.host, settings.plans) == (3, "variable", "hosted")
    assert settings.registration == "open"


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    config = written(tmp_path, "port = 1\n")

    assert load_settings(Sources(variables={"ORCHESTRION_CONFIG": config})).port == 1


def test_an_empty_variable_counts_as_none(tmp_path: Path) -> None:
    config = written(tmp_path, "port = 1\n")

    settings = load_settings(Sources(variables={"ORCHESTRION_PORT": ""}, config=config))

    assert settings.port == 1


def test_an_empty_flag_clears_what_the_file_says(tmp_path: Path) -> None:
    config = written(tmp_path, 'public_url = "https://example.com"\n')

    assert load_settings(Sources(flags={"public_url": ""}, config=config)).public_url == ""


def test_lists_are_comma_separated_text_or_arrays(tmp_path: Path) -> None:
    config = written(tmp_path, 'trusted_proxies = ["10.0.0.0/8", "::1"]\n')
    flags = {"cors_origins": "https://a.example, http://localhost:3000"}

    settings = load_settings(Sources(flags=flags, config=config))

    assert settings.trusted_proxies == (IPv4Network("10.0.0.0/8"), IPv6Network("::1/128"))
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///tasks.db", "tasks.db"), ("sqlite:////var/lib/tasks.db", "/var/lib/tasks.db")],
)
def test_a_database_url_names_a_file(url: str, path: str) -> None:
    sources = Sources(flags={"database": url})

    expected = DatabaseOptions(address=SqliteFile(path=Path(path)))
    assert load_settings(sources).database_options == load_database_options(sources) == expected


def test_the_database_is_found_even_if_another_setting_is_wrong() -> None:
    sources = Sources(variables={"ORCHESTRION_DATABASE": "sqlite:///a.db", "ORCHESTRION_PORT": "x"})

    assert load_database_options(sources).address == SqliteFile(path=Path("a.db"))


@pytest.mark.parametrize("url", ["https://example.com", "https://example.com/"])
def test_a_public_url_loses_its_closing_slash(url: str) -> None:
    assert load_settings(Sources(flags={"public_url": url})).public_url == "https://example.com"


def test_plans_are_a_word_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(
        '[plans.free]\nname = "Free"\nprice_usd = 0\nmax_workers = 2\ntasks_per_cycle = 9\n'
        "claims_per_hour = 9\ncreates_per_hour = 9\nretention_days = 7\n",
        encoding="utf-8",
    )

    assert load_settings(Sources(flags={"plans": "hosted"})).plans_path is None
    assert load_settings(Sources(flags={"plans": str(file)})).plans_path == file


def test_a_file_of_plans_that_cannot_be_used_is_a_wrong_value(tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text("[plans.gold]\n", encoding="utf-8")

    text = refusal(Sources(flags={"plans": str(file)}))

    assert text.startswith(f"setting plans (--plans) cannot be {str(file)!r}: allowed is")


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_one_line_with_setting_value_and_what_is_allowed(
    name: str, value: str
) -> None:
    setting = next(setting for setting in SETTINGS if setting.name == name)

    text = refusal(Sources(flags={name: value}))

    assert text.startswith(f"setting {name} ({setting.flag}) cannot be {value[:100]!r}"[:100])
    assert setting.kind.allowed in text


def test_every_setting_that_can_be_wrong_is_tried() -> None:
    secrets = {setting.name for setting in SETTINGS if setting.secret}

    assert {name for name, _ in WRONG} == {setting.name for setting in SETTINGS} - secrets


def test_a_wrong_variable_is_named_as_such() -> None:
    text = refusal(Sources(variables={"ORCHESTRION_PORT": "http"}))

    assert text == (
        "setting port (ORCHESTRION_PORT) cannot be 'http': "
        "allowed is a whole number from 0 to 65535"
    )


@pytest.mark.parametrize(
    "line", ["port = true", "port = 80.5", "port = [80]", 'port = {a = "b"}', "port = 1979-05-27"]
)
def test_a_wrong_value_in_the_file_is_named_as_such(tmp_path: Path, line: str) -> None:
    config = written(tmp_path, line + "\n")

    assert refusal(Sources(config=config)).startswith(f"setting port (file {config!r}) cannot be ")


def test_an_unknown_key_of_the_file_is_refused_with_the_allowed_ones(tmp_path: Path) -> None:
    config = written(tmp_path, "prot = 80\n")

    text = refusal(Sources(config=config))

    assert text.startswith(f"setting 'prot' (file {config!r}) is unknown: allowed is host, port,")


@pytest.mark.parametrize(
    "text", ["port = \n", "port = 1\nport = 2\n", "#" * (FILE_BYTES_MAX + 1), "\0"]
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    config = written(tmp_path, text)

    assert refusal(Sources(config=config)).startswith(
        f"setting config (--config) cannot be {config!r}"
    )


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.toml")

    text = refusal(Sources(variables={"ORCHESTRION_CONFIG": missing}))

    assert text.startswith(f"setting config (ORCHESTRION_CONFIG) cannot be {missing!r}: ")
    assert text.endswith("(No such file or directory)")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "binary.toml"
    config.write_bytes(b"\xff\xfe")

    assert refusal(Sources(config=str(config))).endswith("(not UTF-8 text)")


@pytest.mark.parametrize("name", ["public_url", "artifact_base_url"])
def test_a_password_in_a_url_is_refused_and_not_repeated(name: str) -> None:
    text = refusal(Sources(flags={name: "https://me:hunter2@localhost/tasks"}))

    assert "'https://…@localhost/tasks'" in text
    assert "hunter2" not in text


PASSWORD = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hunter2@localhost/tasks",
        "mysql://hunter2/tasks",
        "postgresql://me:hunter2/tasks",
        "postgresql://me:hunter2@localhost",
        "postgresql://me:hunt@hunter2@localhost/tasks",
        "postgresql://me:hunt/hunter2@localhost/tasks",
        "postgresql://me:hunt?hunter2@localhost/tasks",
        "postgresql://me:hunt#hunter2@localhost/tasks",
        "postgresql://localhost/tasks?pasword=hunter2",
        "postgresql://localhost/tasks?password=hunter2&password=hunter2",
        "postgres:me:hunter2@localhost/tasks",
        "postgresql:/me:hunter2@localhost/tasks",
        " postgresql://me:hunter2@localhost/tasks",
        "host=localhost password=hunter2",
        "host=localhost password = 'hunt er2 hunter2'",
        "me:hunter2@localhost",
    ],
)
def test_a_database_that_cannot_be_is_refused_without_what_may_be_a_password(
    tmp_path: Path, url: str
) -> None:
    pointed = tmp_path / "url"
    pointed.write_text(url, encoding="utf-8")

    for sources in (
        Sources(flags={"database": url}),
        Sources(variables={"ORCHESTRION_DATABASE": url}),
        Sources(variables={"ORCHESTRION_DATABASE_FILE": str(pointed)}),
        Sources(config=written(tmp_path, f'database = "{url}"\n')),
        Sources(config=written(tmp_path, f'database = ["{url}", "x"]\n')),
    ):
        text = refusal(sources)
        assert text.startswith("setting database (")
        assert PASSWORD not in text


def test_the_url_of_a_database_may_stand_in_a_file_that_a_variable_points_to(
    tmp_path: Path,
) -> None:
    url = "postgresql://me:hunter2@db.example/tasks"
    pointed = tmp_path / "url"
    pointed.write_text(url + "\n", encoding="utf-8")

    settings = load_settings(Sources(variables={"ORCHESTRION_DATABASE_FILE": str(pointed)}))

    assert settings.database == read_address(url)
    assert PASSWORD not in repr(settings)


def test_a_database_given_directly_and_by_a_file_is_refused() -> None:
    variables = {"ORCHESTRION_DATABASE": "sqlite:///a.db", "ORCHESTRION_DATABASE_FILE": "b"}

    assert "given twice" in refusal(Sources(variables=variables))


def test_a_pooler_is_told_to_whoever_opens_the_database() -> None:
    sources = Sources(flags={"database": "postgresql://h/d", "database_pooler": "transaction"})

    assert load_database_options(sources).pooler == "transaction"


def test_wake_ups_may_go_past_a_pooler_to_the_same_database() -> None:
    flags = {"database": "postgresql://pooler/d", "notify_database": "postgresql://u:pass@h/d"}

    notify = load_settings(Sources(flags=flags)).database_options.notify

    assert notify is not None
    assert (notify.url, notify.shown) == ("postgresql://u:pass@h/d", "postgresql://u@h/d")


def test_wake_ups_of_a_file_are_refused() -> None:
    with pytest.raises(SettingError, match="notify_database has no meaning on a SQLite"):
        load_settings(Sources(flags={"notify_database": "postgresql://u:pass@h/d"}))


PAYPAL = {
    "ORCHESTRION_PAYPAL_CLIENT_ID": "client",
    "ORCHESTRION_PAYPAL_SECRET": "hunter2",
    "ORCHESTRION_PUBLIC_URL": "https://tasks.example.com",
}


def taker_of(**flags: str) -> PayPalOptions:
    taker = load_settings(Sources(flags=flags, variables=PAYPAL)).taker
    assert isinstance(taker, PayPalOptions)
    return taker


def test_payments_are_off_unless_they_are_configured() -> None:
    assert load_settings(Sources()).taker is None
    assert load_settings(Sources(flags={"payments": "off"}, variables=PAYPAL)).taker is None


def test_payments_are_paypals_where_its_client_id_is_set() -> None:
    taker = taker_of()

    assert taker == taker_of(payments="paypal")
    assert (taker.credentials.client_id, taker.credentials.secret) == ("client", "hunter2")
    assert (taker.base_url.text, taker.webhook_id) == ("https://api-m.paypal.com", None)


def test_the_sandbox_and_a_webhook_are_passed_on() -> None:
    sandbox = "https://api-m.sandbox.paypal.com"

    taker = taker_of(paypal_base_url=sandbox + "/", paypal_webhook_id="8PT597110X687430L")

    assert (taker.base_url.text, taker.webhook_id) == (sandbox, "8PT597110X687430L")


def test_the_secret_of_paypal_may_stand_in_a_file_and_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2\n", encoding="utf-8")
    pointed = {
        **PAYPAL,
        "ORCHESTRION_PAYPAL_SECRET": "",
        "ORCHESTRION_PAYPAL_SECRET_FILE": str(file),
    }

    settings = load_settings(Sources(variables=pointed))

    assert settings.taker == taker_of()
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(settings.taker)


def test_a_secret_of_paypal_that_cannot_be_is_not_shown() -> None:
    text = refusal(Sources(variables={**PAYPAL, "ORCHESTRION_PAYPAL_SECRET": "hunter2 hunter2"}))

    assert text.startswith("setting paypal_secret (ORCHESTRION_PAYPAL_SECRET) cannot be what it is")
    assert "hunter2" not in text


@pytest.mark.parametrize("name", PAYPAL)
def test_payments_that_lack_something_stop_the_start(name: str) -> None:
    lacking = {one: text for one, text in PAYPAL.items() if one != name}
    setting = name.removeprefix("ORCHESTRION_").lower()

    text = refusal(Sources(flags={"payments": "paypal"}, variables=lacking))

    assert text.startswith(f"setting payments cannot be paypal without {setting}: ")


def test_a_client_id_alone_stops_the_start() -> None:
    text = refusal(Sources(flags={"paypal_client_id": "client"}))

    assert "without paypal_secret and public_url" in text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_payments_may_be_pretended_on_this_machine_alone(host: str) -> None:
    settings = load_settings(Sources(flags={"payments": "pretend", "host": host}))

    assert settings.taker == "pretend"
    shown = f"[{host}]" if ":" in host else host
    assert settings.landing_url == f"http://{shown}:8080"


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "tasks.example.com", "127.0.0.1.example"]
)
def test_payments_are_not_pretended_where_others_can_reach_them(host: str) -> None:
    text = refusal(Sources(flags={"payments": "pretend", "host": host}))

    assert text.startswith(f"setting payments cannot be pretend on host {host!r}: ")


def test_payments_are_pretended_by_one_process() -> None:
    flags = {"payments": "pretend", "workers": "2", "database": "postgresql://h/d"}

    assert "cannot be pretend with 2 workers" in refusal(Sources(flags=flags))


def test_people_come_back_from_pretended_payments_to_a_place_that_is_known() -> None:
    flags = {"payments": "pretend", "port": "0"}
    assert "cannot be pretend on port 0" in refusal(Sources(flags=flags))

    settings = load_settings(Sources(flags={**flags, "public_url": "http://localhost:8080"}))

    assert settings.landing_url == "http://localhost:8080"


class TestSecrets:
    table = (PLAIN, SECRET)

    def read(self, sources: Sources) -> dict[str, object]:
        return resolve(self.table, sources, ["pass_phrase", "speed"])

    def refusal(self, sources: Sources) -> str:
        with pytest.raises(SettingError) as caught:
            self.read(sources)
        assert str(caught.value).isprintable()
        return str(caught.value)

    def test_a_secret_comes_from_a_variable_or_from_the_file_it_points_to(
        self, tmp_path: Path
    ) -> None:
        file = tmp_path / "secret"
        file.write_text("open sesame\n", encoding="utf-8")

        direct = self.read(Sources(variables={"ORCHESTRION_PASS_PHRASE": "open sesame"}))
        pointed = self.read(Sources(variables={"ORCHESTRION_PASS_PHRASE_FILE": str(file)}))

        assert direct == pointed == {"pass_phrase": "open sesame"}

    def test_a_setting_that_is_no_secret_has_no_pointer(self, tmp_path: Path) -> None:
        assert self.read(Sources(variables={"ORCHESTRION_SPEED_FILE": str(tmp_path)})) == {}

    def test_a_secret_given_twice_is_refused(self, tmp_path: Path) -> None:
        text = self.refusal(
            Sources(
                variables={
                    "ORCHESTRION_PASS_PHRASE": "open sesame",
                    "ORCHESTRION_PASS_PHRASE_FILE": str(tmp_path),
                }
            )
        )

        assert "either ORCHESTRION_PASS_PHRASE or ORCHESTRION_PASS_PHRASE_FILE" in text

    def test_a_pointer_to_nothing_is_refused(self, tmp_path: Path) -> None:
        missing = str(tmp_path / "none")

        text = self.refusal(Sources(variables={"ORCHESTRION_PASS_PHRASE_FILE": missing}))

        assert text.startswith(
            f"setting pass_phrase (ORCHESTRION_PASS_PHRASE_FILE) cannot be {missing!r}: "
        )

    def test_a_wrong_secret_is_refused_without_being_shown(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text("hunter2", encoding="utf-8")

        for sources in (
            Sources(variables={"ORCHESTRION_PASS_PHRASE": "hunter2"}),
            Sources(variables={"ORCHESTRION_PASS_PHRASE_FILE": str(file)}),
            Sources(config=written(tmp_path, 'pass_phrase = "hunter2"\n')),
        ):
            text = self.refusal(sources)
            assert "pass_phrase" in text
            assert "allowed is open sesame" in text
            assert "hunter2" not in text


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


def test_settings_hold_only_read_values() -> None:
    assert msgspec.structs.asdict(load_settings(Sources(flags={"port": "0080"})))["port"] == 80
