"""Verbs: import, check."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openbasket.cli.options import Json, Quiet, Root, print_json, print_table, say
from openbasket.wording import counted

if TYPE_CHECKING:
    from openbasket.transcripts.check import CheckReport

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("import")(import_)
    app.command()(check)


def import_(
    provider: Annotated[
        str, typer.Argument(help="Format of the files, or 'auto': found by their content.")
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, folders, .gz, .zip, or URLs (fsspec)."),
    ],
    into: Annotated[Path, typer.Option(help="Workspace to import into; made if it is missing.")],
    league: Annotated[
        str | None, typer.Option(help="League, where the files do not say it.")
    ] = None,
    season: Annotated[
        str | None, typer.Option(help="Season, such as 21-22, where the files do not say it.")
    ] = None,
    gender: Annotated[
        str | None, typer.Option(help="men or women, of a league unknown to us.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Region of a league unknown to us.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read play-by-play and box scores into a workspace."""
    from openbasket.transcripts import ImportOptions, import_files
    from openbasket.workspace import Workspace

    options = ImportOptions(league, season, gender, region)
    workspace = Workspace(into, create=True)
    try:
        report = import_files(provider, inputs, workspace, options=options, quiet=quiet)
    except BaseException:
        workspace.undo()
        raise
    if as_json:
        print_json(report.to_json())
        return
    print_table(
        f"Imported into {into}",
        ("league", "season", "games", "players", "events", "stints", "flagged"),
        report.rows(),
        keys=2,
    )
    for note in report.merged_notes():
        say(f"note: {note}")


def check(
    root: Root,
    minimum: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Exit with 1 if any statistic agrees in a smaller share than this."
        ),
    ] = 1.0,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Reconcile the events with the official box scores, player by player, statistic by statistic."""
    from openbasket.transcripts.check import check as reconcile
    from openbasket.workspace import Workspace

    workspace = Workspace(root)
    workspace.require("games")
    report = reconcile(workspace)
    if as_json:
        print_json(report.to_json())
    else:
        people = workspace.read("players").drop_nulls("name") if workspace.has("players") else None
        _show(report, {} if people is None else dict(people.select("player_id", "name").rows()))
    low = [stat for stat, share in report.agreement.items() if share < minimum]
    if not as_json:
        if not report.agreement:
            say("no game has a box score: nothing could be compared")
        elif low:
            say(
                f"below the minimum of {minimum:.2%}: {', '.join(low)} (--minimum says what is enough)"
            )
        else:
            say(f"every statistic agrees in at least {minimum:.2%} of the player-games")
    if low:
        raise typer.Exit(1)


def _show(report: CheckReport, names: dict[str, str]) -> None:
    from openbasket.transcripts.flags import with_names

    told = report.told
    print_table(
        f"Agreement with the official box scores: {counted(report.games, 'game')}",
        ("statistic", "agree", "player-games"),
        [(stat, f"{share:.2%}", f"{told[stat]:,}") for stat, share in report.agreement.items()],
    )
    print_table(
        "League by league",
        ("league", "season", "games", "left out", "no line-ups", "scores", "worst statistic"),
        [
            (
                s.league, s.season, f"{s.games:,}", s.left_out, s.without_lineups,
                _percent(*s.final_scores),
                min((_percent(*pair) for pair in s.agree.values() if pair[1]), key=_value, default="-"),
            )
            for s in report.seasons
        ],
        keys=2,
    )  # fmt: skip
    print_table(
        "Line-ups, beside the official minutes (within 5 s) and plus-minus",
        ("league", "season", "minutes", "trusted", "plus-minus", "trusted", "five", "poss."),
        [
            (
                s.league, s.season, _percent(*s.minutes), _percent(*s.trusted_minutes),
                _percent(*s.plus_minus), _percent(*s.trusted_plus_minus), f"{s.five:.2%}",
                "-" if isnan(s.possessions) else f"{s.possessions:.3f}",
            )
            for s in report.seasons
        ],
        caption="trusted: without games whose line-ups are flagged; five: time with five a side; "
        "poss.: possessions counted over the usual estimate",
        keys=2,
    )  # fmt: skip
    flagged = [flag for flag in report.flagged if flag["scope"] != "note"]
    for flag in flagged[:20]:
        reasons = "; ".join(with_names(reason, names) for reason in flag["reasons"])
        say(f"flagged ({flag['scope']}): {flag['game_id']}: {reasons}")
    if len(flagged) > 20:
        say(f"and {counted(len(flagged) - 20, 'more flagged game')}; --json lists all")


def _percent(good: int, total: int) -> str:
    return f"{good / total:.2%}" if total else "-"


def _value(text: str) -> float:
    return float(text.rstrip("%"))
