"""The first start, the second, and starts that are refused."""

import json
import subprocess
from pathlib import Path
from urllib.request import urlopen

import httpx2
import pytest

from tests.e2e.serving import (
    PATIENCE_SECONDS,
    PROGRAM,
    Launch,
    Served,
    clean_variables,
    serving,
)
from tests.ports import free_port


def typed(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the program to its end."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=clean_variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def curl_line(printed: str) -> str:
    (line,) = (line.strip() for line in printed.splitlines() if line.strip().startswith("curl "))
    return line


def no_key(served: Served) -> bool:
    return "orch_live_" not in served.stdout and "curl" not in served.stdout


def is_one_line(text: str) -> bool:
    line, _, step = text.partition("\n")
    return line.startswith("orchestrion: ") and step == "next: orchestrion serve --help\n"


# --- the first key


def test_the_first_start_prints_a_curl_line_that_works_as_pasted(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db") as served:
        key = served.first_key()

        pasted = subprocess.run(
            ["sh", "-c", curl_line(served.stdout)],
            capture_output=True,
            check=True,
            timeout=PATIENCE_SECONDS,
        )

        task = json.loads(pasted.stdout)
        assert task["status"] == "pending"
        headers = {"Authorization": f"Bearer {key}"}
        shown = httpx2.get(f"{served.url()}/v1/tasks/{task['id']}", headers=headers)
        assert shown.json()["payload"] == task["payload"]


def test_the_second_start_prints_no_key(tmp_path: Path) -> None:
    database = tmp_path / "orchestrion.db"
    with serving(database) as served:
        key = served.first_key()

    with serving(database) as served:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx2.get(f"{served.url()}/v1/tasks", headers=headers)
        assert answer.status_code == 200

    assert no_key(served)


def test_a_file_whose_keys_an_operator_made_is_not_new(tmp_path: Path) -> None:
    database = tmp_path / "orchestrion.db"
    url = f"sqlite:///{database}"
    made = typed("keys", "create", "--database", url, folder=tmp_path)
    key = made.stdout.strip()

    with serving(database) as served:
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx2.get(f"{served.url()}/v1/tasks", headers=headers).status_code == 200

    assert no_key(served)


def test_a_server_for_other_machines_prints_no_key(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db", "--host", "0.0.0.0") as served:
        served.url()

    assert no_key(served)


def test_a_server_on_the_ipv6_loopback_prints_a_line_that_works(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db", "--host", "::1") as served:
        served.first_key()

        pasted = subprocess.run(
            ["sh", "-c", curl_line(served.stdout)], capture_output=True, check=True
        )

        assert served.url().startswith("http://[::1]:")
        assert json.loads(pasted.stdout)["status"] == "pending"


# --- where settings come from


def test_variables_and_a_file_set_what_flags_do_not(tmp_path: Path) -> None:
    config = tmp_path / "orchestrion.toml"
    port, other, metrics = free_port(), free_port(), free_port()
    config.write_text(
        f'port = {other}\ndatabase = "sqlite:///from-file.db"\nregistration = "closed"\n'
        f'log_format = "console"\npublic_url = "https://tasks.example.com"\n',
        "utf-8",
    )
    launch = Launch(
        arguments=("--config", str(config), "--port", str(port), "--log-format", "json"),
        variables={
            "ORCHESTRION_PORT": str(other),
            "ORCHESTRION_DATABASE": "sqlite:///from-variable.db",
            "ORCHESTRION_METRICS_PORT": str(metrics),
            "ORCHESTRION_LOG_FORMAT": "console",
        },
        folder=tmp_path,
    )

    with serving(tmp_path / "unused.db", launch=launch) as served:
        # A flag wins over a variable, a variable over the file, the file over the default.
        assert served.url() == f"http://127.0.0.1:{port}"
        manifest = httpx2.get(f"{served.url()}/.well-known/agent.json").json()
        registered = httpx2.post(f"{served.url()}/v1/keys/register")
        with urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=PATIENCE_SECONDS) as page:
            assert b"orchestrion_requests_total" in page.read()

    assert manifest["openapi_schema_url"] == "https://tasks.example.com/v1/schema"
    assert registered.status_code == 404
    names = {path.name for path in tmp_path.glob("*.db")}
    assert names == {"from-variable.db"}


def test_a_file_named_by_a_variable_is_read(tmp_path: Path) -> None:
    config = tmp_path / "orchestrion.toml"
    config.write_text('plans = "hosted"\n', "utf-8")
    variables = {"ORCHESTRION_CONFIG": str(config)}

    with serving(tmp_path / "a.db", launch=Launch(variables=variables)) as served:
        plans = httpx2.get(f"{served.url()}/v1/billing/plans").json()["plans"]

    assert [plan["id"] for plan in plans] == ["free", "basic", "pro", "agency"]


def test_plans_of_a_file_are_in_force(tmp_path: Path) -> None:
    plans = tmp_path / "plans.toml"
    plans.write_text(
        '[plans.free]\nname = "Small"\nprice_usd = 0\nmax_workers = 1\ntasks_per_cycle = 2\n'
        "claims_per_hour = 5\ncreates_per_hour = 5\nretention_days = 1\n",
        "utf-8",
    )

    with serving(tmp_path / "a.db", "--plans", str(plans)) as served:
        headers = {"Authorization": f"Bearer {served.first_key()}"}
        answers = [
            httpx2.post(
                f"{served.url()}/v1/tasks", json={"type": "t", "payload": {}}, headers=headers
            )
            for _ in range(3)
        ]

    assert [answer.status_code for answer in answers] == [201, 201, 402]


def test_a_closed_registration_leaves_keys_to_operators(tmp_path: Path) -> None:
    database = tmp_path / "orchestrion.db"
    with serving(database, "--registration", "closed") as served:
        refused = httpx2.post(f"{served.url()}/v1/keys/register")
        made = typed("keys", "create", "--database", f"sqlite:///{database}", folder=tmp_path)
        headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
        let_in = httpx2.get(f"{served.url()}/v1/tasks", headers=headers)

    assert refused.status_code == 404
    assert "operator" in refused.json()["message"]
    assert let_in.status_code == 200


# --- starts that are refused


def test_a_second_server_on_the_file_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    database = tmp_path / "orchestrion.db"
    with serving(database) as first:
        first.url()
        second = typed(
            "serve", "--port", "0", "--database", f"sqlite:///{database}", folder=tmp_path
        )
        first.kill()

    assert second.returncode == 1
    assert second.stdout == ""
    assert is_one_line(second.stderr), second.stderr
    assert f"another server is using {database}" in second.stderr
    with serving(database) as third:
        assert httpx2.get(f"{third.url()}/readyz").status_code == 200


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with serving(tmp_path / "a.db") as first:
        port = first.url().rsplit(":", 1)[1]
        second = typed("serve", "--port", port, "--database", "sqlite:///b.db", folder=tmp_path)

    assert second.returncode == 1
    assert is_one_line(second.stderr), second.stderr
    assert "another program listens there" in second.stderr


@pytest.mark.parametrize(
    ("file", "reason"),
    [("no/folder/a.db", "No such file or directory"), ("text.db", "file is not a database")],
)
def test_a_file_that_cannot_be_opened_is_one_clear_line(
    tmp_path: Path, file: str, reason: str
) -> None:
    (tmp_path / "text.db").write_text("this is no database " * 1_000, "utf-8")

    run = typed("serve", "--port", "0", "--database", f"sqlite:///{file}", folder=tmp_path)

    assert run.returncode == 1
    assert is_one_line(run.stderr), run.stderr
    assert file in run.stderr
    assert reason in run.stderr


def test_a_metrics_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with serving(tmp_path / "a.db") as first:
        first.url()
        taken = str(first.metrics_port)
        run = typed(
            *("serve", "--port", "0", "--metrics-port", taken, "--database", "sqlite:///b.db"),
            folder=tmp_path,
        )

    assert run.returncode == 1
    assert is_one_line(run.stderr), run.stderr
    assert "metrics" in run.stderr


def test_metrics_are_on_a_port_of_their_own(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db") as served:
        httpx2.get(f"{served.url()}/livez")
        with urlopen(f"http://127.0.0.1:{served.metrics_port}/metrics") as page:
            text = page.read().decode()

        assert httpx2.get(f"{served.url()}/metrics").status_code == 404
        assert 'orchestrion_requests_total{operation="check_liveness",status="200"}' in text


def ended(served: Served) -> list[str]:
    return [line["event"] for line in served.lines if line["event"] != "request"]


def test_a_start_and_a_stop_are_told_in_the_log(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db") as served:
        served.url()

    assert ended(served) == ["started", "stopping", "stopped"]
