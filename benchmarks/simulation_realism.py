"""Simulated 40-minute games beside EuroLeague 2022-23, from the same tables by the same code.

    python benchmarks/simulation_realism.py --out benchmarks/results

The real season is looked for in ``$OPENBASKET_REAL_DATA`` (or ``../shared/data``); where it is absent its
columns are left out, and the script says so. Both seasons pass through the standard tables, so
that a difference is one of the games and not of the counting.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import platform
import tempfile
import time
from pathlib import Path

import polars as pl

from openbasket.labels.scores import FORMULAS, rated_games
from openbasket.labels.statistics import game_statistics, season_statistics
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.skills import BY_KEY
from openbasket.transcripts import import_files
from openbasket.workspace import Workspace, write_json, write_text

#: As many teams and rounds as the EuroLeague's regular season; three leagues, because the players whom
#: a league happens to have move its averages.
LEAGUES = tuple(
    LeagueSettings(name, teams=18, players_per_team=14, rounds=2, seasons=("22-23",))
    for name in ("sim-one", "sim-two", "sim-three")
)
SEED = 0
#: Players who played less say little about the spread between players.
LEAST_MINUTES = 200
RANKS_SHOWN = (1, 3, 5, 7, 9, 11)


def real_season(folder: Path) -> Workspace | None:
    """Import EuroLeague 2022-23 into a temporary workspace; ``None`` where the data is absent."""
    root = Path(os.environ.get("OPENBASKET_REAL_DATA", Path(__file__).parents[2] / "shared/data"))
    files = [
        root / "events/euroleague" / f"{name}.parquet"
        for name in ("playbyplay_2022", "boxscore_2022", "points_2022", "header")
    ]
    absent = [str(file) for file in files if not file.exists()]
    if absent:
        print(f"no real season: {', '.join(absent)} not found; set OPENBASKET_REAL_DATA")
        return None
    workspace = Workspace(folder, create=True)
    import_files("euroleague", files, workspace, quiet=True)
    return workspace


def measure(
    workspace: Workspace, league: str | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """Averages of a team's game, and the spread between players of each skill's statistic."""
    pair = (None, None) if league is None else (league, "22-23")
    games, box, events = (workspace.read(t, *pair) for t in ("games", "box_scores", "events"))
    game_rows = game_statistics(games, events, workspace.read("stints", *pair))
    c = pl.col
    counted = ("game_id", "team_id")
    played = (
        game_rows.select("game_id", "player_id", "seconds")
        .join(box.select(*counted, "player_id"), on=["game_id", "player_id"])
        .filter(c("seconds") > 0)
    )
    stats = [
        n for n in box.columns if n not in (*counted, "player_id", "seconds_played", "plus_minus")
    ]
    teams = (
        box.group_by(counted)
        .agg(c(stats).cast(pl.Int64).sum())
        .join(
            played.group_by(counted).agg(minutes=c("seconds").sum() / 300, used=pl.len()),
            on=counted,
        )
    )
    other = teams.select("game_id", opponent="team_id", their_dreb="defensive_rebounds")
    teams = teams.join(other, on="game_id").filter(c("team_id") != c("opponent"))
    total = teams.select(pl.col(pl.Int64, pl.UInt32, pl.Float64).sum()).row(0, named=True)
    forties = total["minutes"] / 40
    tried = total["field_goals_2_tried"] + total["field_goals_3_tried"]
    made = total["field_goals_2_made"] + total["field_goals_3_made"]
    possessions = (
        tried - total["offensive_rebounds"] + total["turnovers"] + 0.44 * total["free_throws_tried"]
    )
    result = {
        "possessions per 40 min": possessions / forties,
        "points per 40 min": total["points"] / forties,
        "points per 100 possessions": 100 * total["points"] / possessions,
        "2P %": 100 * total["field_goals_2_made"] / total["field_goals_2_tried"],
        "3P %": 100 * total["field_goals_3_made"] / total["field_goals_3_tried"],
        "3PA, % of FGA": 100 * total["field_goals_3_tried"] / tried,
        "FT %": 100 * total["free_throws_made"] / total["free_throws_tried"],
        "FTA per 100 FGA": 100 * total["free_throws_tried"] / tried,
        "offensive rebounds, % of chances": 100
        * total["offensive_rebounds"]
        / (total["offensive_rebounds"] + total["their_dreb"]),
        "assists, % of field goals made": 100 * total["assists"] / made,
    }
    per_game = {
        "field goals tried": tried,
        **{n.replace("_", " "): total[n] for n in (
            "free_throws_tried", "offensive_rebounds", "defensive_rebounds", "assists", "steals",
            "turnovers", "blocks", "fouls_made", "fouls_drawn",
        )},
        "players sent in": events.filter(c("kind") == "sub_in").height,
        "time-outs of coaches": events.filter(
            (c("kind") == "timeout") & c("team_id").is_not_null()
        ).height,
        "team rebounds": events.filter(
            c("kind").str.ends_with("rebound") & c("player_id").is_null()
        ).height,
    }  # fmt: skip
    result |= {f"{name} per 40 min": value / forties for name, value in per_game.items()}
    ranked = played.with_columns(
        rank=c("seconds").rank("ordinal", descending=True).over(counted), minutes=c("seconds") / 60
    )
    result["players used"] = teams["used"].mean()
    result["minutes of a player who plays, SD"] = ranked["minutes"].std()
    for rank in RANKS_SHOWN:
        result[f"minutes of the team's no. {rank}"] = (
            ranked.filter(c("rank") == rank)["minutes"].sum() / teams.height
        )
    margin = (games["home_score"].cast(pl.Int32) - games["away_score"].cast(pl.Int32)).abs()
    result["points of a team, SD"] = teams["points"].std()
    result["winning margin"] = margin.mean()
    longest = events.group_by("game_id").agg(c("period").max()).join(games, on="game_id")
    result["games with overtime, %"] = 100 * (longest["period"] > longest["periods"]).mean()
    wall = (
        events.filter(c("kind").is_in(["field_goal", "free_throw"]) & c("wall_time").is_not_null())
        .group_by("game_id")
        .agg(length=(c("wall_time").max() - c("wall_time").min()).dt.total_seconds() / 60)
    )
    result["wall clock, first to last shot, median min"] = wall["length"].median()
    season = season_statistics(rated_games(game_rows, games)).filter(
        c("seconds") >= 60 * LEAST_MINUTES
    )
    spread: dict[str, float] = {}
    for key, formula in FORMULAS.items():
        values = season.filter(formula.of > 0).select(v=formula.scale * formula.made / formula.of)[
            "v"
        ]
        if len(values):
            spread[key] = values.std()
    return result, spread | {"players": season.height}


def latent_agreement(workspace: Workspace) -> dict[str, float]:
    """Rank correlation of each latent skill with the season's statistic that labels make of it."""
    games = workspace.read("games")
    rows = rated_games(
        game_statistics(games, workspace.read("events"), workspace.read("stints")), games
    )
    season = season_statistics(rows).filter(pl.col("seconds") >= 60 * LEAST_MINUTES)
    truth = pl.read_parquet(workspace.private / "latent_skills.parquet")
    agreement = {}
    for key, formula in FORMULAS.items():
        sign = -1 if BY_KEY[key].lower_is_better else 1
        both = (
            season.filter(formula.of > 0)
            .select("player_id", "league", stat=sign * formula.made / formula.of)
            .join(truth.filter(pl.col("skill") == key), on=["player_id", "league"])
        )
        agreement[key] = both.select(pl.corr("stat", "value", method="spearman")).item()
    return agreement


def speed(workspace: Workspace, seconds: float) -> float:
    return workspace.read("games").height / seconds


def table(
    title: str,
    simulated: dict[str, float],
    real: dict[str, float] | None,
    leagues: list[dict[str, float]],
) -> str:
    """A Markdown table; the ratio is simulated over real."""
    lines = [
        f"| {title} | simulated | lowest to highest league | EuroLeague 2022-23 | ratio |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, value in simulated.items():
        each = [league[name] for league in leagues]
        known = "not at hand" if real is None else "not recorded"
        ratio = ""
        if real is not None and name in real:
            known = f"{real[name]:.4g}"
            ratio = f"{value / real[name]:.3f}"
        lines.append(
            f"| {name} | {value:.4g} | {min(each):.4g} to {max(each):.4g} | {known} | {ratio} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        simulated = Workspace(Path(folder) / "simulated", create=True)
        before = time.process_time()
        simulate(simulated, LEAGUES, seed=arguments.seed, quiet=True)
        rate = speed(simulated, time.process_time() - before)
        real = real_season(Path(folder) / "real")
        counts = {"simulated": simulated.read("games").height}
        ours, our_spread = measure(simulated)
        players = {"simulated": int(our_spread.pop("players"))}
        each = [measure(simulated, league.league) for league in LEAGUES]
        agreement = latent_agreement(simulated)
        theirs: dict[str, float] | None = None
        their_spread: dict[str, float] | None = None
        if real is not None:
            counts["euroleague_2022_23"] = real.read("games").height
            theirs, their_spread = measure(real)
            players["euroleague_2022_23"] = int(their_spread.pop("players"))
    text = "\n\n".join(
        (
            "# Simulated games beside EuroLeague 2022-23",
            f"{counts['simulated']} simulated games of {len(LEAGUES)} leagues "
            f"(seed {arguments.seed}); real games: "
            f"{counts.get('euroleague_2022_23', 'not at hand')}. Both columns are averages of the "
            "standard tables, computed by `benchmarks/simulation_realism.py`.",
            table("A team's game", ours, theirs, [one for one, _ in each]),
            f"Standard deviation between players with at least {LEAST_MINUTES} minutes in the season "
            f"({players['simulated']} simulated, {players.get('euroleague_2022_23', 'no')} real):",
            table("Season statistic of", our_spread, their_spread, [two for _, two in each]),
            "Rank correlation of the latent skill with the season statistic of its name, same players:",
            "| skill | correlation |\n|---|--:|\n"
            + "\n".join(f"| {key} | {value:.2f} |" for key, value in agreement.items()),
            f"Speed: {rate:.0f} games per second of one core, tables written "
            f"(Python {platform.python_version()}).",
        )
    )
    print(text)
    write_text(arguments.out / "simulation_realism.md", text + "\n")
    write_json(
        arguments.out / "simulation_realism.json",
        {
            "games": counts,
            "seed": arguments.seed,
            "settings": [dataclasses.asdict(league) for league in LEAGUES],
            "team_game": {"simulated": ours, "euroleague_2022_23": theirs},
            "players": players,
            "player_spread_sd": {"simulated": our_spread, "euroleague_2022_23": their_spread},
            "latent_rank_correlation": agreement,
            "games_per_cpu_second": round(rate, 1),
        },
    )


if __name__ == "__main__":
    main()
