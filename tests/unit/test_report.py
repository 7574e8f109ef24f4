"""The report holds what the data says, loads nothing from elsewhere, and treats names as text."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from openbasket.evaluation.figures import radar
from openbasket.evaluation.report import write_report
from openbasket.workspace import Workspace

HOSTILE = "<script>alert('x')</script>\"&"


@pytest.fixture(scope="module")
def page(finished: Path, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("report")
    shutil.copytree(finished / "ws", folder / "ws")
    ws = Workspace(folder / "ws")
    ws.write("players", ws.read("players").with_columns(name=pl.lit(HOSTILE)))
    out = write_report(
        ws, folder / "r.html", predictions=[finished / "predictions.parquet"], quiet=True
    )
    return out.read_text(encoding="utf-8")


def test_hostile_names_are_text(page):
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(" in page
    assert page.count("<script>") == 1


def test_nothing_is_loaded_from_elsewhere(page):
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert sources
    assert all(s.startswith(("data:", "#")) for s in sources)
    assert "http://" not in page
    assert "https://" not in page


def test_all_sections_and_a_reel_that_plays_are_there(page, finished):
    for section in ("player", "results", "snapshots", "dataset", "method"):
        assert f'<section id="{section}">' in page
    assert 'src="data:video/mp4;base64,' in page
    assert page.count('src="data:image/jpeg;base64,') % 8 == 0
    ws = Workspace(finished / "ws")
    assert f"<dd>{ws.read('games').height}</dd>" in page
    assert f"<dd>{ws.read('subjects').height}</dd>" in page
    assert "So few say little" in page


def test_missing_parts_are_named_with_their_command(tmp_path):
    ws = Workspace(tmp_path / "ws", create=True)
    page = write_report(ws, tmp_path / "r.html", quiet=True).read_text(encoding="utf-8")
    for command in ("import", "label", "split", "reels", "build", "predict"):
        assert f"openbasket {command}" in page


def test_a_reel_that_is_gone_or_too_large_costs_no_page(finished, tmp_path, monkeypatch):
    shutil.copytree(finished / "ws", tmp_path / "ws")
    ws = Workspace(tmp_path / "ws")
    shown = sorted((tmp_path / "ws" / "BASKET").rglob("*.mp4"))
    shown[0].unlink()
    page = write_report(ws, tmp_path / "r.html", quiet=True).read_text(encoding="utf-8")
    assert 'src="data:video/mp4;base64,' in page
    monkeypatch.setattr("openbasket.evaluation.report_player.MAX_REEL_BYTES", 100)
    page = write_report(ws, tmp_path / "r.html", quiet=True).read_text(encoding="utf-8")
    assert 'src="data:video/mp4;base64,' not in page
    assert "No reel is small enough to be part of this page" in page
    assert "There is no reel to show" not in page
    for path in shown[1:]:
        path.unlink()
    page = write_report(ws, tmp_path / "r.html", quiet=True).read_text(encoding="utf-8")
    assert "There is no reel to show" in page


def test_a_category_without_labels_is_not_drawn_as_the_lowest():
    whole = str(radar(["a", "b", "c"], [("label", [1.0, 2.0, 3.0])], 4))
    assert whole.count('<polygon class="label"') == 1
    part = str(radar(["a", "b", "c"], [("label", [1.0, None, 3.0])], 4))
    assert '<polygon class="label"' not in part
    assert (part.count('<circle class="label"'), part.count('<line class="label"')) == (2, 1)
