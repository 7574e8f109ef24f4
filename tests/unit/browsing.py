"""A browser for tests: Chromium with a mouse or the keyboard alone, wide or narrow, light or dark."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

selenium = pytest.importorskip("selenium")
axe_playwright_python = pytest.importorskip("axe_playwright_python")
from selenium import webdriver  # noqa: E402
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

__all__ = ["NEEDED", "Browser", "By", "Keys", "gone", "wait"]

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text() + (
    ";axe.run().then(r => JSON.stringify(r.violations))"
)
NEEDED = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="no browser here (on Debian: apt-get install chromium chromium-driver)",
    ),
]


def wait(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (WebDriverException, httpx.HTTPError):
            pass
        time.sleep(0.1)
    raise AssertionError("this took too long")


class Browser:
    """Chromium, with a mouse or with the keyboard alone."""

    def __init__(self, width: int, height: int, *, keyboard: bool = False) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ):
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        self.keyboard = keyboard
        self.size(width, height)

    def size(self, width: int, height: int) -> None:
        """Be a window, or a phone where it is narrow."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def scheme(self, name: str) -> None:
        """Prefer ``light`` or ``dark``."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def title(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "h1").text

    def focus(self, elements) -> None:
        """Press the Tab key until one of the elements has the focus."""
        for _ in range(60):
            if self.driver.switch_to.active_element in elements:
                return
            self.driver.switch_to.active_element.send_keys(Keys.TAB)
        raise AssertionError("the keyboard does not reach it")

    def press(self, element) -> None:
        if self.keyboard:
            self.focus([element])
            element.send_keys(Keys.ENTER)
        else:
            self.driver.execute_script("arguments[0].scrollIntoView()", element)
            element.click()

    def go_on(self, element) -> None:
        page = self.driver.find_element(By.TAG_NAME, "html")
        self.press(element)
        wait(lambda: gone(page))

    def choose(self, boxes, place: int) -> None:
        if self.keyboard:
            self.focus(boxes)
            self.driver.switch_to.active_element.send_keys(Keys.SPACE)
            for _ in range(place):
                self.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
        else:
            self.driver.execute_script("arguments[0].scrollIntoView()", boxes[place])
            boxes[place].click()
        assert boxes[place].is_selected()

    def sound(self, width: int) -> None:
        """Nothing sticks out, and axe finds nothing to complain of."""
        wide = self.driver.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
        asked = {"expression": AXE, "awaitPromise": True, "returnByValue": True}
        found = self.driver.execute_cdp_cmd("Runtime.evaluate", asked)
        assert json.loads(found["result"]["value"]) == []


def gone(element) -> bool:
    try:
        element.is_enabled()
    except WebDriverException:
        return True
    return False
