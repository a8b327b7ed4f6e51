"""What the server is compared with owes nothing to it."""

import subprocess
import sys

LOOK = """
import sys
import tests.statemachine.model
print([name for name in sys.modules if name.startswith("orchestrion")])
"""


def test_the_model_imports_nothing_of_the_server() -> None:
    told = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)

    assert told.stdout == "[]\n"
