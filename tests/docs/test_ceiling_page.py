"""The page on the ceiling says what its results say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(REPO / "docs"))
    import _ceiling

    return _ceiling


@pytest.mark.parametrize(
    ("points", "plays"),
    [
        ([(10, 0.41), (100, 0.5)], "≤ 10"),
        ([(10, 0.3), (100, 0.4)], "100"),
        ([(10, 0.3), (100, 0.5)], "32"),  # half-way on a logarithmic scale
        ([(50, 0.3), (200, 0.42)], "160"),
        ([(10, 0.3), (100, 0.35)], "> 100"),
    ],
)
def test_plays_needed_are_read_off_a_logarithmic_scale(page, points, plays):
    assert page.needed(points, 0.4) == plays


def test_the_page_follows_the_results(page, tmp_path, monkeypatch):
    results = json.loads((REPO / "benchmarks" / "results" / "ceiling.json").read_text())
    for row in results["rows"]:
        if row[:4] == ["mean", 50, "uniform", 5]:
            row[5:8] = [0.1234, 0.1, 0.15]
    for part in ("benchmarks/results", "docs/concepts"):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / "benchmarks" / "results" / "ceiling.json").write_text(json.dumps(results))
    name = "docs/concepts/ceiling.in.md"
    (tmp_path / name).write_text((REPO / name).read_text())
    before = page.ceiling_page()
    monkeypatch.setattr(page, "REPO", tmp_path)
    after = page.ceiling_page()
    assert "right in **12.3 %** of the labels" in after
    assert "12.3 [10.0, 15.0]" in after
    assert "12.3 [10.0, 15.0]" not in before
    assert "{{" not in after
    sys.modules.pop("_ceiling")
