"""Report cards in a real browser: clips play, pages fit, are sound in both schemes, and print on white."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browsing import NEEDED, Browser, By, wait

from openbasket.scouting.card import Card, EvidenceClip, SkillRating
from openbasket.scouting.cohort import Limit, Similar
from openbasket.scouting.comparison import compare, write_comparison
from openbasket.scouting.evidence import Segment
from openbasket.scouting.known import Shot
from openbasket.scouting.page import write_page
from openbasket.skills import SKILLS
from openbasket.video.write import VideoWriter

pytestmark = NEEDED
LEVELS = ("Poor", "Fair", "Average", "Good", "Excellent")
PLACES = (
    "return [...document.querySelectorAll('.track')].map(t => [...t.querySelectorAll('.mark')]"
    ".map(m => { const r = m.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom] }))"
)


def made(video: Path, player: str, level: int) -> Card:
    """A card with all that a card can have."""
    told = [0.004, 0.096, 0.2, 0.3, 0.4]
    told = told[4 - level :] + told[: 4 - level]
    clip = EvidenceClip(1, 1.0, 2.0, "3-point field goal, made", 0.08, clear=True)
    ratings = tuple(
        SkillRating(
            s.key, s.name, s.category, level, LEVELS[level], tuple(told),
            float(np.dot(told, range(5))), i % 3 > 0, "Leans to it.", 62.0, 2.0,
            (clip, replace(clip, clip=2, start_s=2.0, end_s=3.0, clear=False)), (0.2, None)[i % 2],
        )
        for i, s in enumerate(SKILLS)
    )  # fmt: skip
    return Card(
        video, player, "nba", "21-22", 4.0, tuple(Segment(i, i + 1.0) for i in range(4)), LEVELS,
        ratings, {"model": "tiny_conv", "run": "one", "train_subjects": 12, "temperature": 1.2},
        "212 player-seasons of nba 21-22 with at least 300 minutes", (Similar("s", "Cy", 0.4),),
        (Limit("league nba", 0.3, 0.28, 0.32, 900),), (Shot(0, 1.0, 2.0, True, 2),), ("A note.",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("cards")
    video = folder / "reel.mp4"
    with VideoWriter(video, width=96, height=64, preset="ultrafast") as writer:
        for number in range(120):
            writer.write(np.full((64, 96, 3), 2 * number, np.uint8))
    cards = [made(video, name, level) for name, level in (("Ann", 4), ("Bo", 4), ("Di", 2))]
    write_page(cards[0], folder / "card.html")
    write_comparison(compare(cards), folder / "comparison.html")
    return {name: (folder / f"{name}.html").as_uri() for name in ("card", "comparison")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    browser = Browser(1200, 900)
    yield browser
    browser.driver.quit()


@pytest.mark.parametrize("width", [1200, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["card", "comparison"])
def test_pages_fit_and_are_sound(browser, pages, name, scheme, width):
    browser.size(width, 900)
    browser.scheme(scheme)
    browser.driver.get(pages[name])
    browser.sound(width)


def test_a_clip_plays_to_its_end(browser, pages):
    browser.size(1200, 900)
    browser.driver.get(pages["card"])
    browser.driver.execute_script("document.getElementById('reel').muted = true")
    button = browser.driver.find_element(By.CSS_SELECTOR, ".clips button")
    browser.press(button)
    now = "const v = document.getElementById('reel'); return [v.currentTime, v.paused]"
    wait(lambda: browser.driver.execute_script(now)[0] >= 1.0, 10)
    assert button.get_attribute("aria-pressed") == "true"
    wait(lambda: browser.driver.execute_script(now)[1], 10)
    assert 2.0 <= browser.driver.execute_script(now)[0] < 2.9
    assert button.get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize("name", ["card", "comparison"])
def test_who_prefers_the_dark_prints_on_white(browser, pages, name):
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.driver.get(pages[name])
    asked = {"media": "print", "features": features}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", asked)
    try:
        colour = "return getComputedStyle(document.body).backgroundColor"
        assert browser.driver.execute_script(colour) == "rgb(255, 255, 255)"
        pdf = browser.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
        assert base64.b64decode(pdf["data"]).startswith(b"%PDF")
        shown = "return [...document.querySelectorAll('.clips li')].every(e => e.offsetHeight > 0)"
        assert browser.driver.execute_script(shown)
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_no_mark_of_a_comparison_hides_another(browser, pages):
    for width in (1200, 320):
        browser.size(width, 900)
        browser.driver.get(pages["comparison"])
        for marks in browser.driver.execute_script(PLACES):
            assert len(marks) == 3
            for i, one in enumerate(marks):
                for other in marks[i + 1 :]:
                    apart = max(abs(one[0] - other[0]), abs(one[1] - other[1]))
                    assert apart >= 14, marks
