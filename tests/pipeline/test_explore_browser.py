"""Explorer: its pages in a real browser, with a mouse, by keyboard alone, on a phone and in the dark."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import httpx
import numpy as np
import pytest
from browsing import NEEDED, Browser, By, Keys, wait
from explore_visits import made, predictions

from benchmarks.explore import free_port

pytestmark = NEEDED
ANN = "/players/ann_nba_21_22"
PAGES = (
    "/",
    "/?q=ann&skill=assists&level_min=1",
    ANN,
    "/players/cy_village_22_23",
    "/compare?id=ann_nba_21_22&id=bo_wnba_22_23",
    "/statistics",
    "/map",
    "/errors",
    "/nothing",
)
#: Bytes of a page with its style, script and pictures, but without video.
BUDGET = 300_000
WEIGHT = """
return performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))
  .filter(e => !e.name.includes('/media/')).reduce((sum, e) => sum + e.decodedBodySize + 500, 0)
"""

CUT_OFF = """
return [...document.querySelectorAll('svg text')].filter(e => {
  const word = e.getBoundingClientRect(), whole = getComputedStyle(e.ownerSVGElement).overflow == 'visible';
  const room = whole ? { left: 0, right: innerWidth } : e.ownerSVGElement.getBoundingClientRect();
  return word.right > room.right + .5 || word.left < room.left - .5;
}).map(e => e.textContent)
"""


def film(path: Path, seconds: float = 6.0) -> Path:
    """A reel whose pictures change."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(30), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 704, 400, "yuv420p", 30
        ramp = np.linspace(0, 200, 704).astype(np.uint8)
        for number in range(int(seconds * 30)):
            picture = np.empty((400, 704, 3), np.uint8)
            picture[:] = np.roll(ramp, 4 * number)[None, :, None]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Iterator[str]:
    """Address of a running explorer."""
    folder = tmp_path_factory.mktemp("browser")
    root = made(folder / "ws")
    film(root / "BASKET/21-22/nba/ann_21_22.mp4")
    runs = predictions(root, folder / "p.parquet")
    port = free_port()
    command = [sys.executable, "-m", "openbasket", "explore", root, "--predictions", runs]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log)
    wait(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(20)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    browser = Browser(1200, 900)
    yield browser
    browser.driver.quit()


@pytest.fixture
def browser(chromium) -> Browser:
    """A wide window in light colours, whose user has a mouse."""
    chromium.keyboard = False
    chromium.size(1200, 900)
    chromium.scheme("light")
    return chromium


def listed(browser: Browser) -> list[str]:
    return [e.text for e in browser.driver.find_elements(By.CSS_SELECTOR, ".people tbody th")]


def test_search_filter_player_video(browser, base):
    driver = browser.driver
    driver.get(base)
    assert len(listed(browser)) == 4
    driver.find_element(By.ID, "q").send_keys("nunez")
    browser.go_on(driver.find_element(By.CSS_SELECTOR, "form.search button"))
    assert listed(browser) == ["Élodie Núñez", "Élodie Núñez"]
    browser.press(driver.find_element(By.CSS_SELECTOR, "summary"))
    for name, value in (("season", "21-22"), ("skill", "free_throw"), ("level_max", "0")):
        choice = driver.find_element(By.CSS_SELECTOR, f"#{name} option[value='{value}']")
        choice.click()
    browser.go_on(driver.find_element(By.CSS_SELECTOR, "form.search button"))
    assert listed(browser) == ["Élodie Núñez"]
    browser.go_on(driver.find_element(By.CSS_SELECTOR, ".people tbody th a"))
    assert browser.title() == "Élodie Núñez"
    browser.press(driver.find_element(By.CSS_SELECTOR, "a[data-seek='4.000']"))
    now = "return document.getElementById('video').currentTime"
    wait(lambda: driver.execute_script(now) > 4.3)
    asked = "const done = arguments[0]; const url = document.getElementById('video').src;" + (
        "fetch(url, {headers: {Range: 'bytes=100-299'}})"
        ".then(async r => done([r.status, (await r.arrayBuffer()).byteLength]))"
    )
    assert driver.execute_async_script(asked) == [206, 200]


def test_compare_statistics_map_errors(browser, base):
    driver = browser.driver
    driver.get(base)
    for box in driver.find_elements(By.CSS_SELECTOR, ".pick input")[:2]:
        box.click()
    browser.go_on(driver.find_element(By.CSS_SELECTOR, "button.second"))
    assert browser.title() == "Compare"
    assert len(driver.find_elements(By.CSS_SELECTOR, ".legend li")) == 2
    browser.go_on(driver.find_element(By.CSS_SELECTOR, ".legend .remove"))
    assert len(driver.find_elements(By.CSS_SELECTOR, ".legend li")) == 1
    for link, seen in (
        ("Statistics", "svg.bars"),
        ("Map", "svg.world circle"),
        ("Errors", "svg.confusion"),
    ):
        browser.go_on(driver.find_element(By.LINK_TEXT, link))
        assert browser.title().startswith(link)
        assert driver.find_element(By.CSS_SELECTOR, seen).is_displayed()


def test_clip_lists_are_downloaded(browser, base, tmp_path):
    driver = browser.driver
    behaviour = {"behavior": "allow", "downloadPath": str(tmp_path)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    driver.get(base + ANN)
    for name, start in (("CSV", "clip_id,"), ("SportsCode XML", "<?xml")):
        browser.press(driver.find_element(By.LINK_TEXT, name))
        ending = name.split()[-1].lower()
        file = tmp_path / f"ann_nba_21_22_clips.{ending}"
        wait(file.exists)
        assert file.read_text().startswith(start)


def test_the_keyboard_alone(browser, base):
    driver = browser.driver
    browser.keyboard = True
    driver.get(base)
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    skip = driver.switch_to.active_element
    assert skip.get_attribute("class") == "skip"
    assert skip.is_displayed()
    assert skip.location["x"] >= 0
    skip.send_keys(Keys.ENTER)
    assert driver.switch_to.active_element.get_attribute("id") == "main"
    driver.switch_to.active_element.send_keys(Keys.TAB)
    field = driver.switch_to.active_element
    assert field.get_attribute("id") == "q"
    assert field.value_of_css_property("outline-style") == "solid"
    page = driver.find_element(By.TAG_NAME, "html")
    field.send_keys("berg" + Keys.ENTER)
    wait(lambda: page != driver.find_element(By.TAG_NAME, "html"))
    wait(lambda: listed(browser) == ["Bo Berg"])
    driver.find_element(By.TAG_NAME, "body").send_keys("/")
    assert driver.switch_to.active_element.get_attribute("id") == "q"
    browser.go_on(driver.find_element(By.LINK_TEXT, "Bo Berg"))
    assert browser.title() == "Bo Berg"
    driver.get(base + ANN)
    seek = driver.find_element(By.CSS_SELECTOR, "a[data-seek='4.000']")
    browser.press(seek)
    wait(lambda: driver.execute_script("return document.getElementById('video').currentTime") >= 4)
    assert driver.switch_to.active_element == seek, "the focus stays where it was"


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(1200, "light"), (1200, "dark"), (390, "light"), (390, "dark"), (320, "light")],
)
def test_every_page_fits_and_is_accessible(browser, base, width, scheme):
    browser.size(width, 844)
    browser.scheme(scheme)
    seen = []
    for page in PAGES:
        browser.driver.get(base + page)
        seen.append(browser.title())
        browser.sound(width)
        assert browser.driver.execute_script(CUT_OFF) == [], "a word of a picture is cut off"
        assert 1000 < browser.driver.execute_script(WEIGHT) < BUDGET
        paper = browser.driver.execute_script(
            "return getComputedStyle(document.body).backgroundColor"
        )
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
        shots = os.environ.get("OPENBASKET_SCREENSHOTS")
        if shots:
            shutil.copy(picture(browser, shots), Path(shots) / f"{width}-{scheme}-{len(seen)}.png")
    assert len(set(seen)) == 8


def picture(browser: Browser, folder: str) -> Path:
    """A screenshot of the whole page."""
    import base64

    sizes = browser.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    asked = {"captureBeyondViewport": True, "clip": sizes | {"scale": 1}}
    found = browser.driver.execute_cdp_cmd("Page.captureScreenshot", asked)
    path = Path(folder) / "last.png"
    path.write_bytes(base64.b64decode(found["data"]))
    return path


def test_taps_have_room_on_a_phone(browser, base):
    browser.size(390, 844)
    small = (
        "return [...document.querySelectorAll('a, button, summary, input, select')]"
        ".filter(e => e.offsetParent && !e.closest('.skip, p'))"
        ".map(e => [e.textContent.trim(), e.getBoundingClientRect()])"
        ".filter(([_, r]) => r.height < 24).map(([t, r]) => `${t} ${r.width}x${r.height}`)"
    )
    for page in PAGES:
        browser.driver.get(base + page)
        assert browser.driver.execute_script(small) == [], page


@pytest.mark.parametrize("page", ["/compare?id=ann_nba_21_22&id=bo_wnba_22_23", ANN])
def test_levels_stand_side_by_side_on_a_phone(browser, base, page):
    browser.size(390, 844)
    browser.driver.get(base + page)
    assert browser.driver.find_elements(By.CSS_SELECTOR, ".skills td")
    hidden = "const e = document.querySelector('.wide'); return e.scrollWidth - e.clientWidth"
    assert browser.driver.execute_script(hidden) == 0


def test_names_do_not_break_inside_words_on_a_phone(browser, base):
    browser.size(390, 844)
    browser.driver.get(base + "/errors")
    lines = (
        "const a = document.querySelector('.wide tbody th a'); a.textContent = 'Quilfield';"
        "return Math.floor(a.offsetHeight / parseFloat(getComputedStyle(a).lineHeight))"
    )
    assert browser.driver.execute_script(lines) == 1


def test_it_works_without_its_script(browser, base):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.driver.get(base + "/?q=berg")
        assert listed(browser) == ["Bo Berg"]
        browser.driver.find_element(By.LINK_TEXT, "Bo Berg").click()
        wait(lambda: browser.title() == "Bo Berg")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_console_stays_empty(browser, base):
    browser.driver.get_log("browser")
    for page in PAGES[:-1]:
        browser.driver.get(base + page)
    assert browser.driver.get_log("browser") == []
