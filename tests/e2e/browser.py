"""A real browser without a window, spoken to over a pair of pipes.

The DevTools protocol in its simplest form: JSON both ways, each message ended by a zero byte.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

PATIENCE_SECONDS = 30
PROGRAM = "chromium"
FLAGS = (
    "--headless=new",
    # Only pages of this very test are opened, and root has no other way.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)

# The protocol wants descriptors 3 and 4; whichever they were, none may be overwritten too early.
LAUNCH = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
for place, pipe in enumerate(pipes, 3):
    os.dup2(pipe, place)
os.execvp(sys.argv[3], sys.argv[3:])
"""

Json = dict[str, Any]


class Browser:
    """One page of a browser, and what it complained about."""

    def __init__(self, profile: Path) -> None:
        heard, self._said = os.pipe()
        self._answers, told = os.pipe()
        command = [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(heard), str(told), *command],
            pass_fds=(heard, told),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(heard)
        os.close(told)
        self._kept = bytearray()
        self._number = 0
        self._session = ""
        self._loaded = 0
        self.complaints: list[str] = []

    def attach(self) -> Self:
        """Take the page that is open, and have it tell of everything."""
        targets = self._ask("Target.getTargets")["targetInfos"]
        page = next(one for one in targets if one["type"] == "page")
        attached = self._ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        return self

    def open(self, url: str) -> None:
        """Go to an address, as one who types it."""
        before = self._loaded
        answer = self._ask("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        self._wait_for_load(before)

    def click(self, selector: str) -> None:
        """Press what is there with the mouse, and wait for the page this leads to."""
        before = self._loaded
        x, y = self.evaluate(
            "(() => { const box = document.querySelector("
            f"{json.dumps(selector)}).getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self._wait_for_load(before)

    def press_enter_on(self, selector: str) -> None:
        """Press what is there with the keyboard alone, reached by the tabulator."""
        before = self._loaded
        wanted = f"document.activeElement === document.querySelector({json.dumps(selector)})"
        for _ in range(20):
            if self.evaluate(wanted):
                break
            self._key("Tab", 9)
        assert self.evaluate(wanted), "no way there by the tabulator"
        self._key("Enter", 13, "\r")
        self._wait_for_load(before)

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - any JSON
        """Ask the page."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    @property
    def url(self) -> str:
        """Where the page is."""
        return str(self.evaluate("location.href"))

    @property
    def text(self) -> str:
        """What a reader reads."""
        return str(self.evaluate("document.body.innerText"))

    def heard(self) -> list[tuple[str, str]]:
        """What a screen reader tells: roles and names."""
        nodes = self._ask("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node["name"]["value"])
            for node in nodes
            if not node["ignored"] and "name" in node and "role" in node
        ]

    def close(self) -> None:
        """End the browser with all its processes."""
        os.close(self._said)
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._answers)

    def _key(self, name: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            pressed = {"text": text} if text and kind == "keyDown" else {}
            self._ask(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                code=name,
                windowsVirtualKeyCode=code,
                **pressed,
            )

    def _wait_for_load(self, before: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._loaded == before:
            self._note(self._next(deadline))

    def _ask(self, method: str, **parameters: object) -> Json:
        self._number += 1
        message: Json = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._said, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (answer := self._next(deadline)).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, (method, answer)
        found: Json = answer["result"]
        return found

    def _next(self, deadline: float) -> Json:
        while b"\0" not in self._kept:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._answers], [], [], max(0.0, left))
            assert ready, "the browser says nothing"
            piece = os.read(self._answers, 1 << 16)
            assert piece, "the browser is gone"
            self._kept += piece
        line, _, rest = self._kept.partition(b"\0")
        self._kept = rest
        message: Json = json.loads(line)
        return message

    def _note(self, message: Json) -> None:
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded += 1
            case "Log.entryAdded":
                entry = message["params"]["entry"]
                if not entry.get("url", "").endswith("/favicon.ico"):
                    self.complaints.append(entry["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(message["params"]))
            case _:
                pass


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """Open a browser; whatever happens, no process is left."""
    assert shutil.which(PROGRAM), "the tests need Chromium: apt-get install chromium"
    browser = Browser(folder / "profile")
    try:
        yield browser.attach()
    finally:
        browser.close()
