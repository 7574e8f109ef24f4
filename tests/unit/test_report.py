"""The report holds what the data says, loads nothing from elsewhere, and treats names as text."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from openbasket.errors import BadInputError, ConfigError
from openbasket.evaluation import Score
from openbasket.evaluation.ablations import Draws, Line, to_json
from openbasket.evaluation.figures import radar
from openbasket.evaluation.report import write_report
from openbasket.workspace import Workspace, write_json

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


def test_markdown_and_latex_have_the_same_tables_and_pictures(finished, tmp_path):
    ws = Workspace(finished / "ws")
    given = {"predictions": [finished / "predictions.parquet"], "quiet": True}
    page = write_report(ws, tmp_path / "r.html", **given).read_text(encoding="utf-8")
    text = write_report(ws, tmp_path / "r.md", **given).read_text(encoding="utf-8")
    tex = write_report(ws, tmp_path / "r.tex", **given).read_text(encoding="utf-8")
    titles = re.findall(r"^\*\*(.*)\*\*$", text, re.MULTILINE)
    assert {t.split(":")[0] for t in titles} >= {"Table 2", "Table 5", "Table 8"}
    assert (
        len(titles)
        == tex.count(r"\begin{tabular}")
        == page.count("<caption>") + page.count("<div><h3>") - 5
    )  # five categories of the report card have such a heading, too
    for name in re.findall(r"\(r-files/([^)]+)\)", text):
        assert (tmp_path / "r-files" / name).stat().st_size > 1000
    assert tex.count(r"\includegraphics") == text.count(".jpg)") > 0
    assert r"\begin{picture}" in tex
    if shutil.which("pdflatex"):
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "r.tex"],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-1500:]
    with pytest.raises(ConfigError, match=r"\.html, \.md, \.tex; got 'r\.docx'"):
        write_report(ws, tmp_path / "r.docx", quiet=True)


def test_ablations_and_groups_are_in_the_report(finished, tmp_path):
    shutil.copytree(finished / "ws", tmp_path / "ws")
    ws = Workspace(tmp_path / "ws")
    score = Score(0.281, 0.25, 0.31, 40, 40)
    lines = [
        Line("frames", ("16",), "f16", score),
        Line("frames", ("32",), "f32", error="no memory"),
    ]
    draws = Draws(5, Score(0.27, 0.26, 0.28, 40, 40), 0.123)
    lines.append(Line("draws", ("0",), "d0", score))
    place = ws.root / "openbasket" / "ablations" / "tiny" / "table4.json"
    write_json(place, {"recipe": "tiny", **to_json(lines, draws)})
    given = {"predictions": [finished / "predictions.parquet"], "quiet": True}
    text = write_report(ws, tmp_path / "r.md", **given).read_text(encoding="utf-8")
    assert "**Table 4(a) Number of frames: tiny**" in text
    assert "28.1 [25.0, 31.0]" in text
    assert "failed: no memory" in text
    assert "variance 0.12" in text
    assert "**fairness of " in text
    place.write_text('{"lines": 3}')
    with pytest.raises(BadInputError, match="openbasket ablate"):
        write_report(ws, tmp_path / "r.md", **given)


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
