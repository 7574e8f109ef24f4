"""The report holds what the data says, loads nothing from elsewhere, and treats names as text."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_evaluation import predictions, save, subject, write_split
from typer.testing import CliRunner

from openbasket import cli
from openbasket.dataset.reader import SPLIT_FILES
from openbasket.errors import BadInputError, ConfigError
from openbasket.evaluation import Score
from openbasket.evaluation.ablations import Draws, Line, to_json
from openbasket.evaluation.figures import confusion_map, radar
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
    assert "So few say next to nothing" in page


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
        == page.count('<h3 class="table">') + page.count("<div><h3>")
    )  # categories: five have such a heading in the report card, too, and a table of confusion elsewhere
    assert {t.split(" on ")[0] for t in titles} >= {
        "Metrics of each skill of run",
        "Fairness of every run",
    }
    assert page.count('<svg class="confusion"') == 20
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
    write_json(place, {"recipe": "tiny", **to_json(lines, draws), "notes": ["a namesake"]})
    given = {"predictions": [finished / "predictions.parquet"], "quiet": True}
    text = write_report(ws, tmp_path / "r.md", **given).read_text(encoding="utf-8")
    assert "**Table 4(a) Number of frames: tiny**" in text
    assert "28.1 [25.0, 31.0]" in text
    assert "failed: no memory" in text
    assert "Note: ablations of tiny: a namesake." in text
    assert "variance 0.12" in text
    assert "**fairness of " in text
    place.write_text('{"lines": 3}')
    with pytest.raises(BadInputError, match="openbasket ablate"):
        write_report(ws, tmp_path / "r.md", **given)


def test_every_run_has_its_warnings_and_the_metrics_of_its_skills(tmp_path):
    rng = np.random.default_rng(0)
    ws = Workspace(tmp_path / "ws", create=True)
    test = {f"p{i}": rng.integers(0, 5, 20).tolist() for i in range(60)}
    write_split(ws.root, "test", test)
    path = ws.root / SPLIT_FILES["test"]
    text = "\n".join(
        line.replace("/L/", "/nba/" if number % 2 else "/wnba/")
        for number, line in enumerate(path.read_text().splitlines())
    )
    path.write_text(text + "\n")
    league = {player: "nba" if i % 2 == 0 else "wnba" for i, player in enumerate(test)}
    files = []
    wrong = dict(zip(test, rng.random((60, 20)) < 0.3, strict=True))
    for run, harmed in (("even", 0), ("harming", 2), ("alike", 0)):
        chosen = {
            subject(player, league=league[player]): [
                max(0, level - harmed * (league[player] == "wnba"))
                if run != "alike" or not wrong[player][i]
                else (level + 1) % 5
                for i, level in enumerate(row)
            ]
            for player, row in test.items()
        }
        files.append(save(predictions(chosen, run=run), tmp_path / f"{run}.parquet"))
    given = {"predictions": files, "quiet": True}
    told = write_report(ws, tmp_path / "r.md", **given).read_text(encoding="utf-8")
    assert "| even | none was tested: too few errors or hits to tell |" in told  # it makes no error
    assert "| alike | none in " in told
    assert re.search(r"\| harming \| ! gender women \| 30 \| -[\d.]+ \| [\d.e-]+ \| -", told)
    assert told.count("**fairness of ") == 1  # details are of the best
    assert told.count("**Metrics of each skill of ") == 3
    assert "Confusion of even on test, shooting" in told
    label_0 = next(line for line in told.splitlines() if line.startswith("| label 0 "))
    assert label_0.split("|")[2:7] == [" 100 ", " 0 ", " 0 ", " 0 ", " 0 "]
    page = write_report(ws, tmp_path / "r.html", **given).read_text(encoding="utf-8")
    assert "<details><summary>Metrics of each skill of harming on test</summary>" in page
    assert "! gender women" in page


STUDY = {
    "levels": 3, "skills": ["rebounds"], "chance": 1 / 3, "participants": [{"label": "secret"}],
    "excluded": {},
    "people": [
        {"name": name, "kind": "people", "raters": 4, "players": 9, "ratings": 36, "accuracy": 0.5,
         "low": 0.4, "high": 0.6, "least": 0.3, "most": 0.7, "skills": {"rebounds": 0.5}, "alpha": 0.2}
        for name in ("novice <b>", "everybody")
    ],
    "models": [],
}  # fmt: skip


def test_a_human_study_is_part_of_the_report(finished, tmp_path):
    ws = Workspace(finished / "ws")
    write_json(tmp_path / "results.json", STUDY)
    page = write_report(ws, tmp_path / "r.html", study=tmp_path, quiet=True).read_text()
    assert 'class="figure5" src="data:image/svg+xml;base64,' in page
    assert "novice &lt;b&gt;" in page
    assert "secret" not in page
    for ending, picture in (("md", "figure5.svg"), ("tex", "figure5.png")):
        out = tmp_path / f"r.{ending}"
        done = CliRunner().invoke(
            cli.app,
            [
                "report",
                str(ws.root),
                "--out",
                str(out),
                "-q",
                "--study",
                str(tmp_path / "results.json"),
            ],
        )
        assert done.exit_code == 0, done.output
        assert f"r-files/{picture}" in out.read_text()
        assert (tmp_path / "r-files" / picture).stat().st_size > 1000
        assert "Accuracy in the human study" in out.read_text()
    for content in (STUDY | {"people": []}, STUDY | {"skills": ["dunks"]}, {"rows": []}):
        write_json(tmp_path / "results.json", content)
        with pytest.raises(BadInputError, match=r"results\.json of 'openbasket study results'"):
            write_report(ws, tmp_path / "no.html", study=tmp_path, quiet=True)
    assert not (tmp_path / "no.html").exists()


def test_a_heat_map_shows_shares_of_each_label():
    drawn = str(confusion_map("Steals & <b>", [[3.0, 1.0], [0.0, 0.0]]))
    assert "Steals &amp; &lt;b&gt;" in drawn
    assert re.findall(r'class="number[^>]*>(\d+)<', drawn) == ["75", "25"]
    assert re.findall(r'fill-opacity="([\d.]+)"', drawn) == ["0.765", "0.295", "0.060", "0.060"]


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
