"""Figure 5: accuracy of each group of people, with its range, beside the models and chance."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from openbasket.evaluation.study_rows import StudyResults
from openbasket.workspace import atomic_path

__all__ = ["draw"]

_COLOURS = ("#1f5fbf", "#7a3fa0", "#00796b", "#a0522d")


def draw(results: StudyResults, out: Path) -> list[Path]:
    """Draw the figure into a folder, as PNG and SVG; return the files."""
    groups = [line for line in results.people if line.name != "everybody"]
    figure = Figure(figsize=(1.6 + 1.35 * max(2, len(groups)), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, line in enumerate(groups):
        value = 100 * line.accuracy
        axes.bar(place, value, width=0.55, color="#f2a65a", edgecolor="#8a4b10", linewidth=0.8)
        assert line.least is not None
        assert line.most is not None
        axes.errorbar(
            place,
            value,
            yerr=[[value - 100 * line.least], [100 * line.most - value]],
            color="#333333",
            capsize=5,
            linewidth=1.3,
        )
        axes.annotate(
            f"{value:.1f}",
            (place + 0.04, value),
            textcoords="offset points",
            xytext=(4, 4),
            fontsize=10,
            zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0},
        )
    for number, line in enumerate(results.models):
        axes.axhline(
            100 * line.accuracy,
            color=_COLOURS[number % len(_COLOURS)],
            linestyle="--",
            linewidth=1.4,
            label=f"{line.name} ({100 * line.accuracy:.1f})",
        )
    chance = 100 * results.chance
    axes.axhline(chance, color="#777777", linestyle=":", label=f"chance ({chance:.1f})")
    if results.commonest is not None:
        commonest = 100 * results.commonest
        axes.axhline(
            commonest,
            color="#777777",
            linestyle="-.",
            linewidth=1.1,
            label=f"always the commonest level ({commonest:.1f})",
        )
    axes.set_xticks(range(len(groups)), [f"{line.name}\n(n = {line.raters})" for line in groups])
    edge = 0.6 if len(groups) > 1 else 1.1
    axes.set_xlim(-edge, len(groups) - 1 + edge)
    axes.set_ylim(0, 100)
    axes.set_ylabel("accuracy (%)")
    axes.set_title(
        "bars: mean of participants; whiskers: lowest to highest", fontsize=8, color="#555555"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    paths = []
    for kind, options in (("png", {"dpi": 200}), ("svg", {"metadata": {"Date": None}})):
        path = out / f"figure5.{kind}"
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=kind, **options)
        paths.append(path)
    return paths
