"""Pages about the life cycle, the errors and the settings, written from their tables."""

from orchestrion.api.manifests.capabilities import transitions
from orchestrion.api.schema.refusals import UNKNOWN_ROUTE, cases
from orchestrion.cli.flags import default_of
from orchestrion.core.errors import CATALOGUE, ErrorCode
from orchestrion.core.lifecycle import CREATED, TERMINAL
from orchestrion.core.limits import RELEASES_MAX
from orchestrion.core.operations import OPERATIONS
from orchestrion.core.task import Status
from orchestrion.settings import SETTINGS, Setting
from orchestrion.settings.sources import CONFIG_ALLOWED, CONFIG_VARIABLE

GENERATED = "<!-- Generated from the code: change the table there, then run `make contract`. -->"


def lifecycle_page() -> str:
    """Write the states of a task and every way between them."""
    steps = [{key: str(value) for key, value in step.items()} for step in transitions()]
    arrows = [
        f"    {step['from']} --> {step['to']}: {_label(step['trigger'], step['when'])}"
        for step in steps
    ]
    final = [f"    {status} --> [*]" for status in Status if status in TERMINAL]
    rows = [
        f"| {step['from']} | {step['trigger']} | {step['when']} | {step['to']} |" for step in steps
    ]
    return _page(
        "# The life of a task",
        "A task begins when it is created. It changes state only as shown here; any other verb is "
        "refused with 409\n`invalid_transition` and changes nothing. `expire` is no request: it "
        "happens when a lease runs out.\n`request_cancel` is a cancel with `force: true`.",
        _fenced("mermaid", ["stateDiagram-v2", f"    [*] --> {CREATED}: create", *arrows, *final]),
        _table("| from | verb | when | to |", rows),
        "A claim counts as an attempt. After the last one a failure or an expiry ends in "
        "`dead_letter`; requeue gives the task\nall its attempts again. A release takes the claim "
        f"back, so it counts as none; after {RELEASES_MAX} releases a further one\ncounts as a "
        "failure.",
    )


def errors_page() -> str:
    """Write every error code with its cause, and where each status comes from."""
    catalogue = [_error_row(code) for code in ErrorCode]
    return _page(
        "# Errors",
        "Every answer of 400 and above carries `error`, `message`, `request_id` and "
        "`agent_contract`. The codes are a closed set.",
        _table("| error | status | cause | retry | next action |", catalogue),
        "`retry`: whether the very same request may succeed after the wait. The guidance in the "
        "answer is more exact than this\ntable: where plans cannot be bought it recommends "
        "`check_billing_status`, and after a write whose fate is unknown\n`check_task_status`.",
        "## By status",
        "Causes that the code alone does not tell:",
        _table("| status | error | cause |", _by_status()),
    )


def settings_page() -> str:
    """Write every setting with its flag, its variable and what is allowed."""
    config = f"| `--config` | `{CONFIG_VARIABLE}` | none | {CONFIG_ALLOWED} | File of settings. |"
    return _page(
        "# Settings",
        "Of `orchestrion serve`; the operator's commands take those of the database. A flag wins "
        "over a variable, a variable over\nthe file that `--config` names, the file over the "
        "default. An empty variable counts as none. The file is TOML without a\ntable and uses the "
        "names of the flags with underscores; an unknown name in it stops the start.",
        _table(
            "| flag | variable | default | allowed | what it does |",
            [*map(_setting_row, SETTINGS), config],
        ),
        "A variable that ends in `_FILE` names a file that holds the value, for what may be "
        "secret. A password in a URL is never shown:\n"
        "not at the start, in logs or in errors. Other users of the machine can read a flag while "
        "the process runs; so give a URL\nwith a password by variable or file.",
    )


def _setting_row(setting: Setting) -> str:
    flag = "none" if setting.secret else f"`{setting.flag}`"
    variables = [setting.variable, *([setting.variable + "_FILE"] if setting.pointed else [])]
    named = ", ".join(f"`{variable}`" for variable in variables)
    default = default_of(setting)
    shown = default if default == "none" else f"`{default}`"
    return f"| {flag} | {named} | {shown} | {setting.kind.allowed} | {setting.about} |"


def _error_row(code: ErrorCode) -> str:
    row = CATALOGUE[code]
    statuses = ", ".join(str(status) for status in row.statuses)
    retry = "yes" if row.retryable else "no"
    return f"| `{code}` | {statuses} | {row.meaning} | {retry} | `{row.action}` |"


def _by_status() -> list[str]:
    special = {
        (case.status, case.code.value, case.cause)
        for row in OPERATIONS
        for case in cases(row)
        if case.cause != CATALOGUE[case.code].meaning
    }
    special.add((UNKNOWN_ROUTE.status, UNKNOWN_ROUTE.code.value, UNKNOWN_ROUTE.cause))
    return [f"| {status} | `{code}` | {cause} |" for status, code, cause in sorted(special)]


def _label(trigger: str, when: str) -> str:
    return trigger if when == "always" else f"{trigger} ({when})"


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *rows])


def _fenced(language: str, lines: list[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([title, GENERATED, *parts]) + "\n"
