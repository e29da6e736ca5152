"""A real Chromium, without a window, as a reader has it: pages, keys, widths and colour schemes.

It speaks the DevTools protocol (chromedevtools.github.io/devtools-protocol) over two pipes, which need no
port and no library: messages are JSON, each with a NUL behind it.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

import pytest
from processes import DEADLINE

in_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium here")

# Keys by their names: what else an event must say of them.
KEYS = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40, "End": 35, "Home": 36, " ": 32}
TEXT = {"Enter": "\r", " ": " "}


# Starts a program that reads from its descriptor 3 and writes to 4, whatever numbers it gets them with.
START = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Chromium:
    """A browser with a profile of its own, of which nothing is left afterwards."""

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        its_input, self.output = os.pipe()
        self.input, its_output = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(its_input), str(its_output), "chromium", "--headless",
             "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={self.profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(its_input, its_output))
        os.close(its_input)
        os.close(its_output)
        self.received, self.number = b"", 0
        return self

    def __exit__(self, *_):
        self.send("Browser.close")
        try:
            self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.output)
            os.close(self.input)
            self.profile.cleanup()

    def message(self):
        """The next one that the browser sends."""
        end = monotonic() + DEADLINE
        while b"\0" not in self.received:
            assert select.select([self.input], [], [], max(0, end - monotonic()))[0], "Chromium says nothing"
            piece = os.read(self.input, 1 << 20)
            assert piece, "Chromium has ended"
            self.received += piece
        text, _, self.received = self.received.partition(b"\0")
        return json.loads(text)

    def send(self, method, session=None, **parameters):
        """Asks the browser for something. Return: its answer."""
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if session:
            request["sessionId"] = session
        os.write(self.output, json.dumps(request).encode() + b"\0")
        while (answer := self.message()).get("id") != self.number:
            pass
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def page(self, address, width=1280, height=900, scheme="light", before=""):
        """Opens a page. `before` is a script that runs before the page's own."""
        return Page(self, address, width, height, scheme, before)


class Page:
    def __init__(self, browser, address, width, height, scheme, before):
        self.browser = browser
        target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"}])
        self.send("Page.enable")
        self.send("Page.addScriptToEvaluateOnNewDocument", source=f"""
            globalThis.complaints = [];
            addEventListener("error", event => complaints.push(event.message));
            addEventListener("unhandledrejection", event => complaints.push(String(event.reason)));
            {before}""")
        self.send("Page.navigate", url=address)

    def send(self, method, **parameters):
        return self.browser.send(method, self.session, **parameters)

    def value(self, expression):
        """What an expression of JavaScript gives in the page; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, (expression, answer)
        return answer["result"].get("value")

    def until(self, condition):
        """Waits until an expression is true, looking when the page has drawn, and at its complaints."""
        end = monotonic() + DEADLINE
        while not self.value(f"new Promise(drawn => requestAnimationFrame(() => drawn({condition})))"):
            assert monotonic() < end, f"never: {condition}"
        assert self.value("complaints") == []

    def press(self, key, *, shift=False):
        """Presses a key, as somebody does who has no mouse: one of KEYS, or a character."""
        code = KEYS.get(key, ord(key.upper()[0]))
        said = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = TEXT.get(key, key if len(key) == 1 else "")
        self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **said)
        self.send("Input.dispatchKeyEvent", type="keyUp", **said)

    def screenshot(self, file: Path):
        """The whole page as a PNG."""
        data = self.send("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(data))
