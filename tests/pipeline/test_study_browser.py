"""Study: three participants in a real browser, from the invitation to the pay list."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from study_studies import LEAGUE, SEASON, dataset

from benchmarks.study_load import free_port

selenium = pytest.importorskip("selenium")
axe_playwright_python = pytest.importorskip("axe_playwright_python")
from selenium import webdriver  # noqa: E402
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text() + (
    ";axe.run().then(r => JSON.stringify(r.violations))"
)
PASSWORD = "correct horse battery"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="no browser here (on Debian: apt-get install chromium chromium-driver)",
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Address and study file of a server."""
    folder = tmp_path_factory.mktemp("browser")
    dataset(folder / "ws")
    file, port = folder / "study.toml", free_port()
    run = [sys.executable, "-m", "openbasket", "study"]
    subprocess.run(
        [*run, "create", folder / "ws", "--league", LEAGUE, "--season", SEASON, "--out", file,
         "--players", "2", "--sessions", "2"], check=True,
    )  # fmt: skip
    environment = os.environ | {"OPENBASKET_STUDY_PASSWORD": PASSWORD}
    log = (folder / "log").open("w")
    server = subprocess.Popen(
        [*run, "serve", file, "--port", str(port)], env=environment, stderr=log
    )
    base = f"http://127.0.0.1:{port}"
    wait(lambda: httpx.get(f"{base}/healthz").status_code == 200)
    yield base, file
    server.terminate()
    server.wait(20)


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
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

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


def take_part(browser: Browser, link: str, width: int) -> str:
    driver = browser.driver
    driver.get(link)
    while (title := browser.title()) != "Thank you!":
        browser.sound(width)
        if title == "You and basketball":
            driver.find_element(By.ID, "watched").send_keys("12")
            driver.find_element(By.ID, "played").send_keys("6")
        elif title == "Watch this player":
            go = driver.find_element(By.ID, "go")
            assert not go.is_enabled()
            browser.press(driver.find_element(By.ID, "play"))
            wait(go.is_enabled)
            browser.go_on(go)
            continue
        elif title == "How good is this player?":
            for field in driver.find_elements(By.TAG_NAME, "fieldset"):
                words = ("“Poor”", "“Average”", "“Excellent”")
                asked = [n for n, word in enumerate(words) if word in field.text]
                browser.choose(field.find_elements(By.TAG_NAME, "input"), asked[0] if asked else 2)
        browser.go_on(driver.find_elements(By.CSS_SELECTOR, "main button")[0])
    browser.sound(width)
    return driver.find_element(By.TAG_NAME, "code").text


def test_three_participants_from_consent_to_the_pay_list(served):
    base, file = served
    done = subprocess.run(
        [sys.executable, "-m", "openbasket", "study", "invite", file, "--count", "3",
         "--public-url", base, "--json"], check=True, capture_output=True, text=True,
    )  # fmt: skip
    links = [row["link"] for row in json.loads(done.stdout)]
    codes = []
    for link, (width, keyboard) in zip(
        links, ((1200, False), (375, False), (1000, True)), strict=True
    ):
        browser = Browser(width, 800, keyboard=keyboard)
        try:
            codes.append(take_part(browser, link, width))
            assert browser.driver.get_log("browser") == []
            browser.driver.back()
            browser.driver.refresh()
            assert browser.title() == "Thank you!"
        finally:
            browser.driver.quit()
    browser = Browser(1200, 900)
    try:
        log_in(browser, base, "Progress", 1200)
        pay = browser.driver.execute_async_script(
            "const done = arguments[0]; fetch('/admin/export/pay.csv').then(r => r.text()).then(done)"
        )
    finally:
        browser.driver.quit()
    assert all(code in pay for code in codes)


def log_in(browser: Browser, base: str, title: str, width: int) -> None:
    browser.driver.get(f"{base}/admin")
    browser.sound(width)
    browser.driver.find_element(By.ID, "password").send_keys(PASSWORD + Keys.ENTER)
    wait(lambda: browser.title() == title)
    browser.sound(width)


def set_players(browser: Browser, count: int) -> None:
    field = browser.driver.find_element(By.ID, "players")
    field.clear()
    field.send_keys(str(count))
    browser.go_on(browser.driver.find_element(By.CSS_SELECTOR, "main button"))


def test_a_study_is_made_in_the_browser(tmp_path):
    dataset(tmp_path / "ws")
    file, port = tmp_path / "new.toml", free_port()
    command = [
        sys.executable,
        "-m",
        "openbasket",
        "study",
        "serve",
        file,
        "--data",
        tmp_path / "ws",
    ]
    environment = os.environ | {"OPENBASKET_STUDY_PASSWORD": PASSWORD}
    server = subprocess.Popen(
        [*command, "--port", str(port)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        base = f"http://127.0.0.1:{port}"
        wait(lambda: httpx.get(f"{base}/healthz").status_code == 200)
        browser = Browser(1200, 900)
        try:
            log_in(browser, base, "Make a study", 1200)
            set_players(browser, 50)
            told = browser.driver.find_element(By.CSS_SELECTOR, "[role=alert]").text
            assert "150 players" in told
            assert "at most 18" in told
            browser.sound(1200)
            set_players(browser, 2)
            assert browser.title() == "Progress"
        finally:
            browser.driver.quit()
        browser = Browser(375, 800, keyboard=True)
        try:
            log_in(browser, base, "Progress", 375)
        finally:
            browser.driver.quit()
    finally:
        server.terminate()
        assert server.wait(20) in (0, -15)
    assert "players = 2" in file.read_text()
