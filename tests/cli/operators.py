"""An operator at the command line, beside whatever uses the same database."""

import json

from click.testing import CliRunner, Result

from orchestrion.cli import main


class Operator:
    def __init__(self, url: str) -> None:
        self.url = url

    def types(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env={"ORCHESTRION_DATABASE": self.url})

    def creates_key(self, *arguments: str) -> dict[str, str]:
        result = self.types("keys", "create", "--json", *arguments)
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    def lists_keys(self) -> list[dict[str, str | None]]:
        result = self.types("keys", "list", "--json")
        assert result.exit_code == 0, result.output
        return list(json.loads(result.stdout))


def assert_refused(result: Result) -> None:
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("orchestrion: ")
    _, step = result.stderr.splitlines()
    assert step.startswith("next: orchestrion ")
