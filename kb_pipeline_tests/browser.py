"""A headless Chromium, driven through its DevTools protocol.

with browser() as chromium, chromium.page("http://…") as page:
    page.wait_for("document.querySelector('.hit')")
    assert page.evaluate("document.title") == "…"
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0  # seconds
WAIT = """new Promise((done, fail) => {
  const end = Date.now() + MILLISECONDS;
  const look = () => {
    if (CONDITION) done();
    else if (Date.now() > end) fail(new Error("never so"));
    else setTimeout(look, 5);
  };
  look();
})"""
KEYS = {"Enter": 13, "ArrowDown": 40, "ArrowUp": 38, "Escape": 27}


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """One tab. `problems`: what the browser complained about: exceptions, refused content, failed requests."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = count(1)
        self.problems: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            if message.get("method") == "Runtime.exceptionThrown":
                self.problems.append(message["params"]["exceptionDetails"]["text"])
            elif message.get("method") == "Log.entryAdded":
                self.problems.append(message["params"]["entry"]["text"])

    def evaluate(self, script: str) -> Any:
        """The value of an expression, or of what its promise comes to."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, condition: str) -> None:
        self.evaluate(WAIT.replace("MILLISECONDS", str(PATIENCE * 900)).replace("CONDITION", condition))

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        code = KEYS.get(key, ord(key[0]))
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def resize(self, width: int, height: int, *, scale: float = 1, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}  # or a colour may be on its way to another
        self.call("Emulation.setEmulatedMedia", features=[scheme, still])

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


class Browser:
    def __init__(self, address: str) -> None:
        self._address = address

    @contextmanager
    def page(self, url: str) -> Iterator[Page]:
        made = httpx.put(f"{self._address}/json/new", trust_env=False, timeout=PATIENCE).json()
        with connect(made["webSocketDebuggerUrl"], max_size=None, proxy=None) as connection:
            page = Page(connection)
            for domain in ("Page", "Runtime", "Log"):
                page.call(f"{domain}.enable")
            page.open(url)
            yield page
            page.call("Page.close")


@contextmanager
def browser(language: str = "en-US") -> Iterator[Browser]:
    """A browser with a profile of its own; `find_chromium` must have found one."""
    program = find_chromium()
    assert program is not None
    profile = tempfile.mkdtemp(prefix="kb-chromium-")
    command = [program, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    command += ["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server"]
    command += ["--disable-background-networking", f"--accept-lang={language}", "about:blank"]
    if os.geteuid() == 0:
        command.insert(1, "--no-sandbox")
    environment = {**os.environ, "HOME": profile, "LANGUAGE": language}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        address = next((line.split("ws://")[1].split("/")[0] for line in process.stderr if "ws://" in line), None)
        assert address is not None, "Chromium did not start"
        yield Browser(f"http://{address}")
    finally:
        process.terminate()
        process.communicate()
        shutil.rmtree(profile, ignore_errors=True)
