"""Import to levels at the paper's scale: 66,000 games; and the same statistics in plain pandas.

All real games at hand (``OPENBASKET_REAL_DATA``) are imported and labelled again and again, each time as
other leagues, until there are ``GAMES`` of them: two processes side by side (two cores), each with a
workspace of its own. Time and peak memory are measured; one process does the first copy alone, so that the
memory of one copy stands beside that of many.

Beside it, in the same run, the season statistics behind the 20 skills, of one real season, by us and plainly
in pandas (merge, groupby, explode). Both must give the same numbers, or the run fails. The ratio of their
times is told.

Usage: ``python benchmarks/labels_at_scale.py [GAMES]``. Says so and ends well where no data is at hand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

REPO = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("OPENBASKET_REAL_DATA", REPO.parent / "shared" / "data")) / "events"
RESULTS = REPO / "benchmarks" / "results" / "labels_at_scale.json"
GAMES = 66_000
CORES = 2
#: What is imported together, and under which name of a league.
LEAGUES = {
    "euroleague": ["euroleague"],
    "eurocup": ["eurocup"],
    "aba": ["aba"],
    "slo": ["slo"],
    "betclic": ["lnb/games.parquet", "lnb/pbp_betclic_elite_*.parquet"],
    "elite-2": ["lnb/games.parquet", "lnb/pbp_elite_2_*.parquet"],
    "espoirs": ["lnb/games.parquet", "lnb/pbp_espoirs_elite_*.parquet"],
    "nba": ["nba_data_net", "nba_stats"],
    "nba-bbref": ["nba_bbref"],
    "ncaa-sidearm": ["ncaaw_sidearm"],
    "ncaa-espn": ["ncaaw_espn"],
}
#: Imports copies of every league into one workspace and labels it; prints what it took.
CHILD = """
import json, resource, sys
from pathlib import Path
from openbasket.labels import label
from openbasket.transcripts import ImportOptions, import_files
from openbasket.workspace import Workspace

data, leagues, target, *copies = json.loads(sys.argv[1])
ws, games, events = Workspace(target, create=True), 0, 0
for copy in copies:
    for name, patterns in leagues.items():
        paths = [path for pattern in patterns for path in sorted(Path(data).glob(pattern))]
        report = import_files("auto", paths, ws, options=ImportOptions(league=f"{name}-{copy}"), quiet=True)
        games += sum(season["games"] for season in report.seasons)
        events += sum(season["events"] for season in report.seasons)
report = label(ws, quiet=True)
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "games": games,
    "events": events,
    "labels": sum(season["labels"] for season in report.seasons),
    "cpu_s": usage.ru_utime + usage.ru_stime,
    "peak_bytes": usage.ru_maxrss * 1024,
}))
"""


def import_to_levels(folder: Path, shares: list[list[int]]) -> tuple[float, list[dict[str, Any]]]:
    """Import and label copies in processes side by side; return seconds and what each process printed."""
    started = time.perf_counter()
    children = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                CHILD,
                json.dumps([str(DATA), LEAGUES, str(folder / f"ws{number}"), *copies]),
            ],
            env=os.environ | {"POLARS_MAX_THREADS": str(CORES // len(shares))},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, copies in enumerate(shares)
    ]
    told = [child.communicate()[0] for child in children]
    seconds = time.perf_counter() - started
    if any(child.returncode for child in children):
        raise SystemExit("an import failed")
    return seconds, [json.loads(text) for text in told]


COUNTS = (
    "free_throws_made", "free_throws_tried", "two_made", "two_tried", "three_made", "three_tried",
    "offensive_rebounds", "defensive_rebounds", "assists", "steals", "turnovers", "blocks", "blocked",
    "fouls", "fouls_drawn", "points_created", "on_points", "on_field_goals", "on_assisted",
    "on_possessions", "against_points", "against_field_goals", "against_possessions", "seconds",
)  # fmt: skip


def ours(tables: Any) -> pl.DataFrame:
    """The season statistics behind the 20 skills, by the functions that ``openbasket label`` calls."""
    from openbasket.labels.statistics import game_statistics, season_statistics

    games = game_statistics(tables.games, tables.events, tables.stints)
    return season_statistics(games).select("player_id", *COUNTS).sort("player_id")


def plain_pandas(events: Any, stints: Any) -> Any:
    """The same statistics as one writes them in pandas: merge, groupby and explode."""
    import pandas as pd

    who = ["game_id", "player_id"]
    events = events.copy()
    kind, value = events["kind"], events["value"]
    made = events["made"].fillna(False).astype(bool)
    goal, free = kind == "field_goal", kind == "free_throw"
    columns = {
        "free_throws_made": free & made,
        "free_throws_tried": free,
        "two_made": goal & made & (value == 2),
        "two_tried": goal & (value == 2),
        "three_made": goal & made & (value == 3),
        "three_tried": goal & (value == 3),
        "offensive_rebounds": kind == "offensive_rebound",
        "defensive_rebounds": kind == "defensive_rebound",
        "assists": kind == "assist",
        "steals": kind == "steal",
        "turnovers": kind == "turnover",
        "blocks": kind == "block",
        "blocked": kind == "blocked",
        "fouls": kind == "foul",
        "fouls_drawn": kind == "foul_drawn",
    }
    for name, column in columns.items():
        events[name] = column
    own = events.dropna(subset=["player_id"]).groupby(who)[list(columns)].sum()

    # Points of assisted baskets; of the free throws of the trip where there is no basket.
    trip = ["game_id", "period", "clock_s", "team_id"]
    baskets = events[goal & made].groupby(["game_id", "play_id"])["value"].max().rename("basket")
    trips = events[free & made].groupby(trip).size().rename("trip")
    passes = events[(kind == "assist") & events["player_id"].notna()]
    passes = passes.merge(baskets, how="left", on=["game_id", "play_id"])
    passes = passes.merge(trips, how="left", on=trip)
    passes["points_created"] = passes["basket"].fillna(passes["trip"]).fillna(0)
    own = own.join(passes.groupby(who)["points_created"].sum())

    # What a team does, act by act; a trip to the line ends a possession unless it comes with a basket.
    acts = events[
        events["team_id"].notna()
        & kind.isin(["field_goal", "free_throw", "turnover", "offensive_rebound"])
    ].copy()
    scored = acts["made"].fillna(False).astype(bool)
    tried = acts["kind"] == "field_goal"
    thrown = acts["kind"] == "free_throw"
    acts["points"] = acts["value"].where((tried | thrown) & scored, 0).astype(int)
    acts["field_goals"] = tried & scored
    helped = events.loc[kind == "assist", ["game_id", "play_id"]].drop_duplicates()
    acts = acts.merge(helped.assign(helped=True), how="left", on=["game_id", "play_id"])
    acts["assisted"] = acts["field_goals"] & acts["helped"].notna()
    with_goal = acts.loc[acts["field_goals"], trip].drop_duplicates().assign(with_goal=True)
    acts = acts.merge(with_goal, how="left", on=trip)
    last = acts["order"] == acts.groupby([*trip, "kind"])["order"].transform("max")
    tried, thrown = acts["kind"] == "field_goal", acts["kind"] == "free_throw"
    ends = tried | (acts["kind"] == "turnover") | (thrown & last & acts["with_goal"].isna())
    acts["possessions"] = ends.astype(int) - (acts["kind"] == "offensive_rebound")
    totals = ["points", "field_goals", "assisted", "possessions"]

    # Every act of a game beside every stint of it; then each stint's players.
    stints = stints.reset_index(names="stint")
    stints["seconds"] = stints["start_clock_s"] - stints["end_clock_s"]
    pairs = stints[["stint", "game_id", "team_id", "first_order", "last_order"]].merge(
        acts[["game_id", "team_id", "order", *totals]], on="game_id", suffixes=("", "_acting")
    )
    inside = (pairs["order"] >= pairs["first_order"]) & (pairs["order"] < pairs["last_order"])
    pairs = pairs[inside]
    mine = pairs["team_id"] == pairs["team_id_acting"]
    stints = stints.set_index("stint")
    for prefix, part in (("on", pairs[mine]), ("against", pairs[~mine])):
        sums = part.groupby("stint")[totals].sum().add_prefix(f"{prefix}_")
        stints = stints.join(sums)
    court = [f"{prefix}_{total}" for prefix in ("on", "against") for total in totals]
    stints[court] = stints[court].fillna(0)
    spells = stints.explode("player_ids").rename(columns={"player_ids": "player_id"})
    on_court = spells.groupby(who)[["seconds", *court]].sum()
    games = own.join(on_court, how="outer").fillna(0)
    season = games.groupby("player_id")[list(COUNTS)].sum().sort_index()
    return pd.DataFrame(season)


def best(work: Callable[[], Any], times: int) -> tuple[float, Any]:
    """Least seconds of some runs, and what the last one returned."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - started)
    return min(seconds), found


def beside_pandas(folder: Path) -> dict[str, Any]:
    """One season's statistics by both; the same numbers, or an error."""
    import pandas as pd

    from openbasket.labels.rating import read_season
    from openbasket.transcripts import import_files
    from openbasket.workspace import Workspace

    files = sorted((DATA / "euroleague").glob("*_2022.parquet"))
    ws = Workspace(folder / "one", create=True)
    import_files("euroleague", [*files, DATA / "euroleague" / "header.parquet"], ws, quiet=True)
    tables = read_season(ws, *ws.seasons()[0])
    frames = [pd.DataFrame(t.to_dict(as_series=False)) for t in (tables.events, tables.stints)]
    ours(tables)
    our_s, mine = best(lambda: ours(tables), 5)
    their_s, theirs = best(lambda: plain_pandas(*frames), 3)
    same = mine.height == len(theirs) and all(
        (mine["player_id"].to_numpy() == theirs.index.to_numpy()).tolist()
    )
    for name in COUNTS:
        same = same and bool((abs(mine[name].to_numpy() - theirs[name].to_numpy()) < 1e-6).all())
    if not same:
        raise SystemExit("openbasket and plain pandas give different statistics")
    return {
        "games": tables.games.height,
        "events": tables.events.height,
        "statistics": len(COUNTS),
        "equal": same,
        "openbasket_s": round(our_s, 3),
        "plain_pandas_s": round(their_s, 3),
        "pandas_over_openbasket": round(their_s / our_s, 1),
    }


def main() -> None:
    """Measure, print and write the results."""
    if not (DATA / "euroleague").is_dir():
        print(f"no real play-by-play at {DATA}; set OPENBASKET_REAL_DATA")
        return
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else GAMES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pandas = beside_pandas(folder)
        (folder / "first").mkdir()
        alone_s, alone = import_to_levels(folder / "first", [[0]])
        copies = -(-wanted // alone[0]["games"])
        shares = [list(range(start, copies, CORES)) for start in range(min(CORES, copies))]
        seconds, told = import_to_levels(folder, shares)
    result = {
        "games": sum(t["games"] for t in told),
        "events": sum(t["events"] for t in told),
        "labels": sum(t["labels"] for t in told),
        "leagues": copies * len(LEAGUES),
        "processes": len(shares),
        "import_to_levels_s": round(seconds, 1),
        "cpu_ms_a_game": round(
            1000 * sum(t["cpu_s"] for t in told) / sum(t["games"] for t in told), 2
        ),
        "peak_mb_of_both": round(sum(t["peak_bytes"] for t in told) / 2**20),
        "one_copy": {
            "games": alone[0]["games"],
            "leagues": len(LEAGUES),
            "import_to_levels_s": round(alone_s, 1),
            "peak_mb": round(alone[0]["peak_bytes"] / 2**20),
        },
        "beside_pandas": pandas,
    }
    print(json.dumps(result, indent=1))
    if wanted == GAMES:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
