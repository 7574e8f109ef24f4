"""The page on the rendered benchmark, from the results of ``benchmarks/skillquery.sh``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from markupsafe import Markup

from openbasket.evaluation.figures import interval_plot, standalone

REPO = Path(__file__).resolve().parents[1]
RESULTS = REPO / "benchmarks" / "results"
#: What the heading of a column of shares begins with, before the split.
_SHARE = "share of the ceiling, "


def rendered_page() -> str:
    """How models compare on it; ``{{ what it is of }}`` in the page's text is filled in from the results."""
    text = (REPO / "docs" / "reference" / "rendered-benchmark.in.md").read_text(encoding="utf-8")

    def fill(found: re.Match[str]) -> str:
        kind, *of = found[1].split()
        return _PARTS[kind](*of)

    return re.sub(r"\{\{ (.+?) \}\}", fill, text)


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _run(suite: str, run: str) -> Any:
    rows = {row["name"]: row for row in _read(suite)}
    if run not in rows:
        raise KeyError(f"benchmarks/results/{suite}.json has no run '{run}'")
    return rows[run]


def _table(suite: str, what: str = "") -> str:
    """The table that the suite printed; where it is too wide, ``what`` of it: ``accuracy`` or ``share``."""
    lines = (RESULTS / f"{suite}.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|")[1:-1] for line in lines if line.startswith("|")]
    if what:
        others = ("weights", "frames", "seconds")
        heads = [name.strip() for name in rows[0]]
        kept = [
            place
            for place, head in enumerate(heads)
            if place == 0 or (head not in others and head.startswith(_SHARE) == (what == "share"))
        ]
        rows = [[row[place].replace(_SHARE, "") for place in kept] for row in rows]
    table = "\n".join(f"|{'|'.join(row)}|" for row in rows)
    return re.sub(
        r"(\d) \[(\S+), (\S+\])", "\\1\u00a0[\\2,\u00a0\\3", table
    )  # intervals stay in one line


def ablations_figure() -> str:
    """Shares of the ceiling of the suite's runs, the greatest first, as SVG."""
    rows = [row for row in _read("rendered-ablations") if row["model"] == "skillquery"]
    told = [(row["name"], row["share"]["test"]) for row in rows]
    told.sort(key=lambda row: -row[1]["value"])
    plain = _run("rendered-ablations", "as-it-is")["share"]["test"]["value"]
    plot = interval_plot(
        [
            (name, s["value"], s["low"], s["high"], "all" if name == "as-it-is" else "")
            for name, s in told
        ],
        plain,
    )
    label = "Share of the ceiling with 95 % intervals; the dashed line is SkillQuery as it is"
    plot = Markup(re.sub(r'aria-label="[^"]*"', f'aria-label="{label}"', plot))  # noqa: S704
    return standalone(plot).replace("<svg ", '<svg style="background:#fff" ', 1) + "\n"


def _interval(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _share(suite: str, run: str, split: str = "test") -> str:
    found = _run(suite, run)["share"][split]
    return _interval(found["value"], found["low"], found["high"])


def _share_alone(suite: str, run: str, split: str = "test") -> str:
    return f"{100 * _run(suite, run)['share'][split]['value']:.1f}"


def _ceiling(split: str = "test", of: str = "rendered-ceiling") -> str:
    """What a perfect observer of one reel reaches, mean over the skills."""
    found = _read(of)
    row = next(
        row
        for row in found["rows"]
        if (row["skill"], row["split"], row["levels"], row["events"])
        == ("mean", split, 5, found["own_clips"])
    )
    return _interval(row["accuracy"], row["low"], row["high"])


def _answers() -> str:
    """How often the clip encoder is right."""
    told = _read("rendered-lessons")
    lines = [
        "| question | right | of whole reels | the most frequent answer |",
        "|---|---:|---:|---:|",
    ]
    for name in sorted(told["accuracy"]):
        known = [told[part].get(name) for part in ("accuracy", "recurring", "chance")]
        shares = ["" if share is None else f"{100 * share:.1f} %" for share in known]
        lines.append(f"| {name} | {' | '.join(shares)} |")
    return "\n".join(lines)


def _lessons(what: str, of: str = "rendered-lessons") -> str:
    """A number about an encoder's lessons; a share of right answers as ``accuracy.distance``."""
    told = _read(of)
    group, _, name = what.partition(".")
    return f"{100 * told[group][name]:.1f} %" if name else f"{told[group]:,.0f}"


_PARTS: dict[str, Callable[..., str]] = {
    "table": _table,
    "share": _share,
    "share_alone": _share_alone,
    "ceiling": _ceiling,
    "answers": _answers,
    "lessons": _lessons,
}
