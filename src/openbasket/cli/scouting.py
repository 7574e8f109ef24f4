"""Verbs: scout, compare, calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from openbasket.cli.options import Json, Quiet, Workers, print_json, print_table, say

if TYPE_CHECKING:
    from openbasket.training.rating import Device

__all__ = ["register"]

#: What a card is written as.
ENDINGS = (".html", ".json", ".png", ".pdf")


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(scout)
    app.command()(compare)
    app.command()(calibrate)


def scout(
    video: Annotated[
        Path, typer.Argument(metavar="VIDEO", help="A highlight video of one player.")
    ],
    checkpoint: Annotated[
        Path, typer.Option(help="Folder of a trained run ('openbasket train').", show_default=False)
    ],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="File to write: .html, .json, .png or .pdf; may be repeated. card.html by default."
        ),
    ] = None,
    player: Annotated[str | None, typer.Option(help="Name for the card.")] = None,
    league: Annotated[
        str | None,
        typer.Option(help="League, for the card, the cohort, and runs that are told of leagues."),
    ] = None,
    season: Annotated[str | None, typer.Option(help="Season, such as 21-22; likewise.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="A dataset: if the video is one of its reels, it knows the clips and the player."
        ),
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(help="Predictions of the same run (parquet), for percentiles."),
    ] = None,
    min_minutes: Annotated[
        float, typer.Option(min=0, help="Least minutes of a season of who is in the cohort.")
    ] = 0.0,
    clip: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=120,
            show_default=False,
            help="Seconds of a clip, where no dataset knows the clips; by default cuts are looked for.",
        ),
    ] = None,
    halves: Annotated[
        int,
        typer.Option(
            min=4, max=100_000, help="How often half of the clips are shown to find evidence."
        ),
    ] = 256,
    evidence: Annotated[
        bool,
        typer.Option("--evidence/--no-evidence", help="Find the clips that speak for each rating."),
    ] = True,
    device: Annotated[
        str, typer.Option(help="auto (a GPU where there is one), cpu or gpu.")
    ] = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rate one player's highlight video: levels, their probabilities and the clips that speak for them."""
    from openbasket.errors import ConfigError
    from openbasket.scouting.card import make_card
    from openbasket.workspace import write_json

    files = out or [Path("card.html")]
    for file in files:
        if file.suffix.lower() not in ENDINGS:
            raise ConfigError(f"--out '{file}': the ending is none of {', '.join(ENDINGS)}")
    card = make_card(
        video, checkpoint, player=player, league=league, season=season, data_root=data, cohort=cohort,
        min_minutes=min_minutes, clip_s=clip, halves=halves, evidence=evidence,
        device=cast("Device", device), quiet=quiet,
    )  # fmt: skip
    for file in files:
        if file.suffix.lower() == ".json":
            write_json(file, card.to_json())
        elif file.suffix.lower() == ".html":
            from openbasket.scouting.page import write_page

            write_page(card, file)
        else:
            from openbasket.scouting.charts import write_picture

            write_picture(card, file)
    if as_json:
        print_json(card.to_json() | {"files": [str(file) for file in files]})
        return
    rows = [(s.name, s.verdict, s.certainty) for s in card.skills]
    print_table(f"{card.player or video.name}", ["skill", "level", "certainty"], rows)
    for note in card.notes:
        say(f"note: {note}")
    say(f"wrote {', '.join(str(file) for file in files)}")


def compare(
    cards: Annotated[
        list[Path],
        typer.Argument(metavar="CARD.json...", help="2 to 4 cards of 'scout --out card.json'."),
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("comparison.html"),
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Put report cards side by side: players, or the seasons of one player."""
    from openbasket.errors import ConfigError
    from openbasket.scouting.comparison import compare as put_side_by_side
    from openbasket.scouting.comparison import read_card, write_comparison

    if out.suffix.lower() != ".html":
        raise ConfigError(f"--out '{out}': the page is .html")
    found = put_side_by_side([read_card(path) for path in cards])
    write_comparison(found, out)
    if as_json:
        print_json(found.to_json() | {"file": str(out)})
        return
    rows = [
        (
            row.name,
            *(f"{value:.2f}" for value in row.expected),
            "not clear" if row.best is None else found.names[row.best],
        )
        for row in found.skills
    ]
    print_table("Expected levels", ["skill", *found.names, "above"], rows)
    for note in found.notes:
        say(f"note: {note}")
    say(f"wrote {out}")


def calibrate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.")],
    data: Annotated[Path, typer.Option(help="Dataset in the official layout.")],
    split: Annotated[str, typer.Option(help="Split whose labels count; not train.")] = "val",
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit the temperature at which a run's probabilities are as sure as they are right; keep it."""
    from dataclasses import asdict

    from openbasket.training.calibration import at_bound
    from openbasket.training.calibration import calibrate as fit

    found = fit(run, data, split=split, workers=workers, quiet=quiet)
    if as_json:
        print_json(asdict(found))
        return
    say(
        f"temperature {found.temperature:.3f} by {found.labels:,} labels of '{found.split}'; negative "
        f"log-likelihood {found.nll_before:.4f} before, {found.nll_after:.4f} after"
    )
    if at_bound(found.temperature):
        say(
            "note: the temperature is at its bound; the model knows next to nothing, or labels are too few"
        )
