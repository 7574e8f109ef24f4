"""Import to levels at the paper's scale: 66,000 games; and the same statistics in plain pandas.

The real seasons at hand (``OPENBASKET_REAL_DATA``) are copied under other season numbers until there are
``GAMES`` games, as parquet in the EuroLeague's flattened form and in the ABA's and the Slovenian scraped one.
``openbasket import`` and ``openbasket label`` then run as processes of their own, one for each half of the
leagues side by side (two cores); their time and peak memory are measured. Beside them, in the same run,
one real season's statistics are computed by us and plainly in pandas (groupby and merge), and the ratio of
the times is told.

Usage: ``python benchmarks/labels_at_scale.py [GAMES]``.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

REPO = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("OPENBASKET_REAL_DATA", REPO.parent / "shared" / "data")) / "events"
RESULTS = REPO / "benchmarks" / "results" / "labels_at_scale.json"
GAMES = 66_000
CLI = [sys.executable, "-c", "from openbasket.cli import main; main()"]


def replicate(folder: Path, games: int) -> int:
    """Copy the EuroLeague and EuroCup seasons under new season numbers; return the games made."""
    made, copy = 0, 0
    sources = [
        (league, int(path.stem.split("_")[1]))
        for league in ("euroleague", "eurocup")
        for path in sorted((DATA / league).glob("playbyplay_*.parquet"))
    ]
    while made < games:
        for league, year in sources:
            if made >= games:
                break
            # A hundred years hold a hundred seasons of a league; more leagues hold more.
            season = 1900 + copy % 99
            target = folder / f"{'ab'[copy % 2]}{copy // 99}" / league / str(copy)
            target.mkdir(parents=True)
            for what in ("playbyplay", "boxscore", "points", "header"):
                name = what if what == "header" else f"{what}_{year}"
                frame = pl.read_parquet(DATA / league / f"{name}.parquet").filter(_season=year)
                if what == "header":
                    made += frame.height
                frame = frame.with_columns(_season=pl.lit(season, dtype=frame.schema["_season"]))
                out = what if what == "header" else f"{what}_{season}"
                frame.write_parquet(target / f"{out}.parquet")
            copy += 1
    return made


def run(folder: Path, workspace: Path) -> tuple[float, int]:
    """Import and label both halves side by side; return seconds and the larger peak in bytes."""
    started = time.perf_counter()
    halves = {half: sorted(p for p in folder.iterdir() if p.name[0] == half) for half in "ab"}
    code = (
        "import sys, json\n"
        "from pathlib import Path\n"
        "from openbasket.labels import label\n"
        "from openbasket.transcripts import ImportOptions, import_files\n"
        "from openbasket.workspace import Workspace\n"
        "ws = Workspace(sys.argv[1], create=True)\n"
        "for folder in map(Path, sys.argv[2:]):\n"
        "    for league in sorted(folder.iterdir()):\n"
        "        options = ImportOptions(league=f'{league.name}-{folder.name}', gender='men')\n"
        "        import_files('euroleague', [league], ws, options=options, quiet=True)\n"
        "label(ws, quiet=True)\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(workspace / half), *map(str, folders)],
            env=os.environ | {"POLARS_MAX_THREADS": "1"},
        )
        for half, folders in halves.items()
        if folders
    ]
    codes = [child.wait() for child in children]
    if any(codes):
        raise SystemExit("an import failed")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return time.perf_counter() - started, peak


def plain_pandas(workspace: Path) -> float:
    """The player-season statistics of one season as one writes them in pandas: groupby and merge."""
    import pandas as pd

    events, stints = (
        pd.DataFrame(
            pl.read_parquet(sorted(workspace.glob(f"**/{name}/*/*.parquet"))).to_dict(
                as_series=False
            )
        )
        for name in ("events", "stints")
    )
    started = time.perf_counter()
    events["hit"] = events["made"].fillna(False).astype(bool)
    events["points"] = events["value"].where(events["hit"], 0).fillna(0)
    acts = events.dropna(subset=["player_id"])
    who = ["game_id", "player_id"]
    counts = acts.groupby([*who, "kind"]).size().unstack(fill_value=0)
    hits = acts[acts["hit"]].groupby([*who, "kind", "value"]).size().unstack([2, 3], fill_value=0)
    hits.columns = [f"{kind}_{value}_made" for kind, value in hits.columns]
    points = acts.groupby(who)["points"].sum()
    # What both teams score in each stint, then in each player's stints.
    stints = stints.reset_index(names="stint")
    stints["seconds"] = stints["start_clock_s"] - stints["end_clock_s"]
    scored = events.loc[events["points"] > 0, ["game_id", "order", "team_id", "points"]]
    pairs = stints.merge(scored, on="game_id", suffixes=("", "_of"))
    pairs = pairs[(pairs["order"] >= pairs["first_order"]) & (pairs["order"] < pairs["last_order"])]
    own = pairs["team_id"] == pairs["team_id_of"]
    stints["on"] = stints["stint"].map(pairs[own].groupby("stint")["points"].sum()).fillna(0)
    stints["against"] = stints["stint"].map(pairs[~own].groupby("stint")["points"].sum()).fillna(0)
    spells = stints.explode("player_ids").rename(columns={"player_ids": "player_id"})
    court = spells.groupby(who)[["seconds", "on", "against"]].sum()
    games = counts.join([hits, points.rename("points"), court], how="outer").fillna(0)
    games.groupby("player_id").agg(["sum", "mean", "std"])
    return time.perf_counter() - started


def ours(workspace: Path) -> float:
    """The same statistics, and more, by ``labels.rating.count_season``."""
    from openbasket.labels.rating import count_season, read_season
    from openbasket.labels.statistics import season_statistics
    from openbasket.workspace import Workspace

    ws = Workspace(workspace)
    tables = read_season(ws, *ws.seasons()[0])
    started = time.perf_counter()
    season_statistics(count_season(tables).all)
    return time.perf_counter() - started


def main() -> None:
    """Measure, print and write the results."""
    if not (DATA / "euroleague").is_dir():
        print(f"no real play-by-play at {DATA}; set OPENBASKET_REAL_DATA")
        return
    games = int(sys.argv[1]) if len(sys.argv) > 1 else GAMES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = folder / "one"
        one.mkdir()
        for what in ("playbyplay_2022", "boxscore_2022", "header"):
            shutil.copy(DATA / "euroleague" / f"{what}.parquet", one)
        subprocess.run(
            [*CLI, "import", "euroleague", str(one), "--into", str(folder / "ws1"), "-q"],
            check=True, capture_output=True,
        )  # fmt: skip
        ours(folder / "ws1")
        times = sorted(ours(folder / "ws1") for _ in range(5))
        pandas = sorted(plain_pandas(folder / "ws1") for _ in range(3))[1]
        made = replicate(folder / "raw", games)
        seconds, peak = run(folder / "raw", folder / "ws")
        events = sum(
            pl.scan_parquet(path).select(pl.len()).collect().item()
            for path in (folder / "ws").glob("**/events/*/*.parquet")
        )
    result = {
        "games": made,
        "events": events,
        "import_to_levels_s": round(seconds, 1),
        "peak_bytes_of_a_process": peak,
        "processes": 2,
        "one_season_ours_s": round(times[2], 3),
        "one_season_plain_pandas_s": round(pandas, 2),
        "pandas_over_ours": round(pandas / times[2], 1),
    }
    print(json.dumps(result, indent=1))
    if games == GAMES:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
