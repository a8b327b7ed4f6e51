"""What `orchestrion init` writes; every text runs, or is read, as it stands."""

from typing import Final

KEY_VARIABLE: Final = "ORCHESTRION_API_KEY"
URL_VARIABLE: Final = "ORCHESTRION_URL"
SECTION_BEGIN: Final = "<!-- orchestrion: begin -->"
SECTION_END: Final = "<!-- orchestrion: end -->"

WORKER: Final = '''\
"""A worker: it claims tasks of the types below, keeps their leases, and completes them."""

from typing import Any

from orchestrion import Worker

worker = Worker()


@worker.task("hello")
async def hello(payload: dict[str, Any]) -> dict[str, Any]:
    """Do one task; what it returns is the task's result, what it raises sends the task back."""
    return {"greeting": f"Hello, {payload.get('name', 'world')}!"}


if __name__ == "__main__":
    worker.run()  # Ctrl-C finishes what was begun
'''

ENVIRONMENT: Final = """\
# Where Orchestrion is, and the key for it. Keep this file out of version control.
ORCHESTRION_URL={url}
ORCHESTRION_API_KEY={key}
"""

ENVIRONMENT_WITHOUT_KEY: Final = """\
# Where Orchestrion is, and the key for it. Keep this file out of version control.
ORCHESTRION_URL={url}
# Put a key behind the sign; this prints one: {command}
ORCHESTRION_API_KEY=
"""

SECTION: Final = """\
## Background tasks: Orchestrion

Work that may take long, fail or outlive this process goes to Orchestrion as a task: a type and a
JSON payload. `worker.py` does the tasks, with a function for each type. A task can be worked on
twice, so make side effects repeatable.

```sh
set -a; . ./.env; set +a                                # the address and the key
python worker.py                                        # do tasks until Ctrl-C
orchestrion tasks create hello '{"name":"Ada"}' --wait  # create one, wait for its result
orchestrion tasks list --status dead_letter             # what failed for good
orchestrion doctor                                      # when something does not work
```

In Python: `Orchestrion().tasks.create("hello", {"name": "Ada"})`. Over plain HTTP: read
`$ORCHESTRION_URL/AGENTS.md`. Never commit `.env`.
"""


def section() -> str:
    """Give the part of AGENTS.md, with the marks that a second run finds it by."""
    return f"{SECTION_BEGIN}\n{SECTION}{SECTION_END}\n"
