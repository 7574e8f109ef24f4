"""Study: three participants in a real browser, from the invitation to the pay list."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browsing import NEEDED, Browser, By, Keys, wait
from study_studies import LEAGUE, SEASON, dataset

from benchmarks.study_load import free_port

PASSWORD = "correct horse battery"
pytestmark = NEEDED


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
