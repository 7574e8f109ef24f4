"""Six simulated leagues of 40-minute games beside EuroLeague 2022-23, per team and game.

The real column needs the real play-by-play (``OPENBASKET_REAL_DATA``, by default ``../shared/data``);
where it is absent, the simulated column is printed alone and nothing is written.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import polars as pl

from openbasket.labels.statistics import game_statistics
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.transcripts import import_files
from openbasket.workspace import Workspace

REPO = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("OPENBASKET_REAL_DATA", REPO.parent / "shared" / "data"))
LEAGUES = 6
NAMES = ("playbyplay_2022", "boxscore_2022", "points_2022", "header")


def summary(workspace: Workspace) -> dict[str, float]:
    """Means per team and game of the workspace's one season."""
    (pair,) = workspace.seasons()
    games, events, stints = (workspace.read(t, *pair) for t in ("games", "events", "stints"))
    box = workspace.read("box_scores", *pair)
    rows = game_statistics(games, events, stints)
    sides = 2 * games.height
    total = {c: box[c].cast(pl.Float64).sum() for c in box.columns[4:]}
    tried = total["field_goals_2_tried"] + total["field_goals_3_tried"]
    kinds = dict(events.group_by("kind").len().rows())
    rebounds = kinds["offensive_rebound"] + kinds["defensive_rebound"]
    played = box.filter(pl.col("seconds_played") > 0)["seconds_played"]
    return {
        "possessions": rows["on_possessions"].sum() / 5 / sides,
        "points": total["points"] / sides,
        "2-point %": 100 * total["field_goals_2_made"] / total["field_goals_2_tried"],
        "3-point %": 100 * total["field_goals_3_made"] / total["field_goals_3_tried"],
        "free throw %": 100 * total["free_throws_made"] / total["free_throws_tried"],
        "threes of shots %": 100 * total["field_goals_3_tried"] / tried,
        "free throws tried": total["free_throws_tried"] / sides,
        "offensive rebounds of all %": 100 * kinds["offensive_rebound"] / rebounds,
        "rebounds": (total["offensive_rebounds"] + total["defensive_rebounds"]) / sides,
        "assists": total["assists"] / sides,
        "steals": total["steals"] / sides,
        "turnovers": kinds["turnover"] / sides,
        "blocks": total["blocks"] / sides,
        "fouls": total["fouls_made"] / sides,
        "substitutions": kinds["sub_in"] / sides,
        "spread of minutes (sd)": played.std() / 60,
    }


def main() -> None:
    """Print the table; write it if the real column is there."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for seed in range(LEAGUES):  # one league's talent moves its means by some percent
            invented = Workspace(f"{folder}/sim{seed}", create=True)
            simulate(invented, [LeagueSettings("sim", seasons=("22-23",))], seed=seed, quiet=True)
            found.append(summary(invented))
        simulated = {name: sum(one[name] for one in found) / LEAGUES for name in found[0]}
        source = DATA / "events" / "euroleague"
        if not source.is_dir():
            print(f"no real play-by-play at {DATA}; set OPENBASKET_REAL_DATA for the other column")
            for name, value in simulated.items():
                print(f"{name:30}{value:10.2f}")
            return
        only = Path(folder) / "euroleague"
        only.mkdir()
        for name in NAMES:
            (only / f"{name}.parquet").symlink_to((source / f"{name}.parquet").resolve())
        real_games = Workspace(f"{folder}/real", create=True)
        import_files("euroleague", [only], real_games, quiet=True)
        real = summary(real_games)
    lines = ["| per team and game | EuroLeague 2022-23 | simulated | ratio |", "|---|---|---|---|"]
    for name, value in real.items():
        ratio = simulated[name] / value
        lines.append(f"| {name} | {value:.2f} | {simulated[name]:.2f} | {ratio:.3f} |")
    print("\n".join(lines))
    folder_out = REPO / "benchmarks" / "results"
    (folder_out / "simulation_realism.md").write_text("\n".join(lines) + "\n")
    content = {n: {"real": round(real[n], 3), "simulated": round(simulated[n], 3)} for n in real}
    (folder_out / "simulation_realism.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
