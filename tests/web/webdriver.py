"""A small WebDriver client for headless Chromium: only the standard library and Debian's
chromium and chromium-driver packages are needed."""

import base64
import json
import re
import select
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--force-device-scale-factor=1",
]
START_SECONDS = 30
CALL_SECONDS = 60


class WebDriverError(Exception):
    """The browser refused a command, or did not answer in time."""


class Browser:
    """One fresh Chromium with a profile of its own; use as a context manager."""

    def __init__(self):
        driver = shutil.which("chromedriver")
        if driver is None:
            raise WebDriverError("chromedriver is not installed (Debian package chromium-driver)")
        self._profile = tempfile.TemporaryDirectory(prefix="windlass-web-",
                                                    ignore_cleanup_errors=True)
        self._driver = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self._session = None
        try:
            self._base = f"http://127.0.0.1:{self._port()}"
            answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "unhandledPromptBehavior": "ignore",
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                "goog:chromeOptions": {
                    "args": FLAGS + [f"--user-data-dir={self._profile.name}"],
                },
            }}})
            self._session = answer["sessionId"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            if self._session is not None:
                self._call("DELETE", f"/session/{self._session}")
        except WebDriverError:
            pass  # it is ended below in any case
        finally:
            self._session = None
            self._driver.terminate()
            try:
                self._driver.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._driver.kill()
                self._driver.wait()
            self._driver.stdout.close()
            self._profile.cleanup()

    def _port(self):
        deadline = time.monotonic() + START_SECONDS
        said = ""
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self._driver.stdout], [], [], 0.5)
            if ready:
                line = self._driver.stdout.readline()
                said += line
                found = re.search(r"started successfully on port (\d+)", line)
                if found:
                    return int(found.group(1))
            if self._driver.poll() is not None:
                break
        raise WebDriverError(f"chromedriver did not start within {START_SECONDS} s: {said.strip()}")

    def _call(self, method, path, body=None):
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._base + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=CALL_SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                value = json.loads(text)["value"]
                text = f"{value['error']}: {value['message'].splitlines()[0]}"
            except (ValueError, KeyError, IndexError):
                pass
            raise WebDriverError(f"{method} {path}: {text}") from error
        except OSError as error:
            raise WebDriverError(f"{method} {path}: {error}") from error

    def command(self, method, path, body=None):
        return self._call(method, f"/session/{self._session}{path}", body)

    def open(self, url):
        self.command("POST", "/url", {"url": url})

    def script(self, text, *arguments):
        return self.command("POST", "/execute/sync", {"script": text, "args": list(arguments)})

    def devtools(self, name, **parameters):
        return self.command("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def log(self, kind):
        """The entries since the last call; kind is "browser" or "performance"."""
        return self.command("POST", "/se/log", {"type": kind})

    def dialog(self):
        """The text of an open alert, or None."""
        try:
            return self.command("GET", "/alert/text")
        except WebDriverError as error:
            if "no such alert" in str(error):
                return None
            raise

    def dismiss(self):
        """Closes an open alert."""
        self.command("POST", "/alert/dismiss")

    def resize(self, width, height, scale=1):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=scale, mobile=False)

    def media(self, scheme="light", kind=""):
        self.devtools("Emulation.setEmulatedMedia", media=kind, features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ])

    def screenshot(self, path):
        """The whole page, not only the visible part."""
        image = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(image))
