"""Verbs that turn plays into a dataset, look at it, and hand it on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from openbasket.cli.options import (
    IncludeFlagged,
    Json,
    Quiet,
    Root,
    Seed,
    Workers,
    print_json,
    print_table,
    say,
)
from openbasket.wording import counted

if TYPE_CHECKING:
    from openbasket.dataset.build import BuildReport
    from openbasket.reels.settings import Check, Few, Overlap
    from openbasket.workspace import Workspace

__all__ = ["register", "tell_built"]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (
        label, players, reliability, agreement, split, reels, build, verify, statistics, figures,
        export_sportscode, instructions,
    ):  # fmt: skip
        app.command()(verb)


def label(
    root: Root,
    levels: Annotated[int, typer.Option(min=2, help="Levels: 5 as in the paper, or 3.")] = 5,
    experts: Annotated[
        Path | None,
        typer.Option(help="CSV of experts' ranks or levels, which replace computed ones."),
    ] = None,
    min_events: Annotated[
        int, typer.Option(min=0, help="Player-seasons with fewer events are not ranked.")
    ] = 50,
    min_minutes: Annotated[
        float, typer.Option(min=0, help="Player-seasons with fewer minutes are not ranked.")
    ] = 0.0,
    include_flagged: IncludeFlagged = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn events into scores, ranks and levels of the 20 skills."""
    from openbasket.labels import LabelSettings
    from openbasket.labels import label as make_labels
    from openbasket.workspace import Workspace

    settings = LabelSettings(levels, min_events, min_minutes, include_flagged)
    report = make_labels(Workspace(root), settings, experts=experts, quiet=quiet)
    if as_json:
        print_json(report.to_json())
        return
    print_table("Labels", report.columns, report.rows(), keys=2)
    for note in report.notes:
        say(f"note: {note}")


def players(
    root: Root,
    league: Annotated[str | None, typer.Option(help="Only this league.")] = None,
    season: Annotated[str | None, typer.Option(help="Only this season, like 21-22.")] = None,
    skill: Annotated[
        str | None, typer.Option(help="List the best of this skill, such as 'assists'.")
    ] = None,
    player: Annotated[
        str | None, typer.Option(help="Show the card of this player_id or subject_id.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, help="Players of each league and season. By default, 10.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """List the labelled players, the best of a skill, or a player's 20 skills."""
    from openbasket import skills
    from openbasket.errors import ConfigError
    from openbasket.labels import players as listing
    from openbasket.workspace import Workspace

    if skill is not None and player is not None:
        raise ConfigError("players was given --skill and --player; give one of them")
    if top is not None and player is not None:
        raise ConfigError("players was given --player and --top, which is of lists; leave one out")
    top = top or 10
    workspace = Workspace(root)
    if player is not None:
        cards = listing.card(workspace, player, league=league, season=season)
        if as_json:
            print_json(cards)
            return
        for card in cards:
            _show_card(card)
        return
    which = None if skill is None else skills.skill(skill)
    if which is None:
        found = listing.players(workspace, league=league, season=season)
        found = found.group_by("league", "season", maintain_order=True).head(top)
    else:
        found = listing.best(workspace, which.key, league=league, season=season, top=top)
    if as_json:
        print_json(found.to_dicts())
        return
    if found.is_empty() and which is not None:
        say(f"nobody is labelled in {which.name} there")
    for part in found.partition_by("league", "season", maintain_order=True):
        rows = part.to_dicts()
        place = f"{rows[0]['league']} {rows[0]['season']}"
        told = [
            (r["name"], r["club"] or "-", f"{r['games']:,}", f"{r['minutes']:,.0f}") for r in rows
        ]
        if which is None:
            print_table(
                f"Most minutes: {place}",
                ("player", "club", "games", "minutes", "subject"),
                [(*who, r["subject_id"]) for who, r in zip(told, rows, strict=True)],
            )
            continue
        print_table(
            f"{which.name}: {place}, of {rows[0]['ranked']:,} ranked",
            ("player", "club", "games", "minutes", "rank", "estimate", "level"),
            [
                (*who, r["rank"] or "-", _estimate(r["score"], which.key), r["level_name"])
                for who, r in zip(told, rows, strict=True)
            ],
            caption=_NOISE
            if listing.mostly_noise(workspace, rows[0]["league"]).get(which.key)
            else "",
        )


_NOISE = "mostly noise: more than half of the differences between players are chance"


def _show_card(card: dict[str, Any]) -> None:
    from openbasket.skills import BY_KEY, CATEGORIES

    print_table(
        f"{card['name']}, {card['club'] or 'club unknown'}: {card['league']} {card['season']}, "
        f"{counted(card['games'], 'game')}, {card['minutes']:,.0f} minutes ({card['subject_id']})",
        ("skill", "estimate", "rank", "level", ""),
        [
            row
            for category in CATEGORIES
            for row in (
                (category.upper(), "", "", "", ""),
                *(
                    (
                        f"  {BY_KEY[s['skill']].name}",
                        _estimate(s["score"], s["skill"]),
                        "-" if s["rank"] is None else f"{s['rank']:,} of {s['ranked']:,}",
                        s["level_name"] or "no label",
                        "mostly noise" if s["mostly_noise"] else "",
                    )
                    for s in card["skills"]
                    if s["category"] == category
                ),
            )
        ],
    )


def _estimate(score: float | None, skill: str) -> str:
    from openbasket.labels.scores import FORMULAS

    if score is None:
        return "-"
    formula = FORMULAS[skill]
    space = "" if formula.unit.startswith("%") else " "
    return f"{score:z.{1 if formula.unit.startswith('%') else 2}f}{space}{formula.unit}"


def reliability(
    root: Root,
    levels: Annotated[int, typer.Option(min=2, help="Levels: 5 as in the paper, or 3.")] = 5,
    min_events: Annotated[
        int, typer.Option(min=0, help="Player-seasons with fewer events are not ranked.")
    ] = 50,
    min_minutes: Annotated[
        float, typer.Option(min=0, help="Player-seasons with fewer minutes are not ranked.")
    ] = 0.0,
    include_flagged: IncludeFlagged = False,
    resamples: Annotated[
        int, typer.Option(min=0, help="How often the games of a season are drawn anew.")
    ] = 20,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it, too: a file ending in .svg, .png or .pdf.")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure how far the labels can be trusted: split-half, year to year, games drawn anew."""
    from openbasket.labels import LabelSettings
    from openbasket.labels.reliability import reliability as measure
    from openbasket.workspace import Workspace

    if plot is not None:
        from openbasket.dataset.figures import plot_format

        plot_format(plot)  # refuses it before minutes of work
    workspace = Workspace(root)
    settings = LabelSettings(levels, min_events, min_minutes, include_flagged)
    report = measure(workspace, settings, resamples=resamples, seed=seed, quiet=quiet)
    if plot is not None:
        from openbasket.dataset.figures import reliability_plot, save

        save(reliability_plot(report), plot)
    if as_json:
        print_json(report.to_json())
        return
    print_table(
        f"Reliability of the labels: means over seasons; chance changes {1 - 1 / levels:.0%} of levels",
        ("league", "skill", "split-half", "year to year", "levels that change", "verdict"),
        report.rows(),
        keys=2,
    )
    noise = report.summary().filter(verdict="mostly noise")
    if noise.height:
        say(f"{noise.height} of {report.summary().height} are mostly noise (split-half below 0.5)")
    for note in report.notes:
        say(f"note: {note}")


def agreement(
    root: Root,
    experts: Annotated[Path, typer.Option(help="CSV of experts' ranks or levels.")],
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Compare computed levels with experts' ranks: Spearman and quadratic kappa, skill by skill."""
    import polars as pl

    from openbasket.labels.experts import agreement as compare
    from openbasket.labels.experts import read_experts
    from openbasket.skills import BY_KEY
    from openbasket.workspace import Workspace

    workspace = Workspace(root)
    people = workspace.read("subjects")
    table = workspace.read("levels").filter(origin="computed")
    count = int(workspace.read_json("labels.json")["settings"]["levels"])
    found = compare(table, read_experts(experts, people, count), people)
    if as_json:
        print_json(found.to_dicts())
        return
    rows = found.filter(pl.col("judged") > 0).rows()
    print_table(
        "Agreement with the experts",
        ("skill", "judged", "Spearman", "quadratic kappa"),
        [
            (BY_KEY[key].name, judged, *("-" if x is None else f"{x:.2f}" for x in values))
            for key, judged, *values in rows
        ],
    )


def figures(
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder of the drawings; made if it is missing.")],
    form: Annotated[str, typer.Option("--format", help="svg, png or pdf.")] = "svg",
    subject: Annotated[
        list[str] | None,
        typer.Option(help="Draw the profile card and the reel of this subject; may be repeated."),
    ] = None,
    reels: Annotated[int, typer.Option(min=0, max=24, help="Reels in Figure 6; 0: none.")] = 6,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Draw the paper's Figures 2 (leagues), 3 (skills), 4 (profile cards) and 6 (frames of reels).

    Of a dataset without openbasket's tables, such as the official download, Figure 6 alone.
    """
    from openbasket.dataset.figures import draw_all
    from openbasket.dataset.snapshots import draw_snapshots, has_reels
    from openbasket.workspace import Workspace

    workspace = Workspace(root)
    filmed = reels > 0 and has_reels(root, subject or ())
    written = []
    if workspace.has("subjects") or not filmed:
        written = draw_all(workspace, out, subject_ids=subject or (), suffix=form)
    if filmed:
        written.append(
            draw_snapshots(root, out, subject_ids=subject or (), count=reels, suffix=form)
        )
    if as_json:
        print_json({"files": [str(path) for path in written]})
        return
    for path in written:
        say(str(path))
    if reels and not filmed:
        say(f"without Figure 6: no reels{' of all of these subjects' if subject else ''} are there")


def export_sportscode(
    root: Root,
    game: Annotated[str, typer.Argument(metavar="GAME_ID", help="The game to write.")],
    out: Annotated[Path, typer.Option(help="XML file to write.")],
    before: Annotated[float, typer.Option(min=0, help="Seconds before an event.")] = 5.0,
    after: Annotated[float, typer.Option(min=0, help="Seconds after an event.")] = 3.0,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Write a game's plays and clips as a timeline for Hudl SportsCode."""
    from openbasket.dataset.export.sportscode import export_sportscode as write
    from openbasket.workspace import Workspace

    counts = write(Workspace(root), game, out, before_s=before, after_s=after)
    if as_json:
        print_json(counts | {"path": str(out)})
        return
    say(f"wrote {out}: {counted(counts['events'], 'event')}, {counted(counts['clips'], 'clip')}")
    if counts["without_time"]:
        one = "event has no time in the video and is left out"
        many = "events have no time in the video and are left out"
        say(f"note: {counted(counts['without_time'], one, many)}")


def split(
    root: Root,
    unseen_season: Annotated[
        str | None, typer.Option(help="Season kept out of training, like '17-18'.")
    ] = None,
    unseen_league: Annotated[
        list[str] | None, typer.Option(help="League kept out of training; may be repeated.")
    ] = None,
    ratios: Annotated[
        tuple[int, int, int], typer.Option(help="Train, validation and test persons.")
    ] = (7, 1, 2),
    by_name: Annotated[
        bool,
        typer.Option(
            "--by-name",
            help="Take players of one name for one person, as where leagues number them each by itself.",
        ),
    ] = False,
    seed: Seed = 0,
    audit: Annotated[
        bool,
        typer.Option(
            "--audit",
            help="Change nothing: search the split on disk for leaks, and prove on planted "
            "leaks that the search finds them.",
        ),
    ] = False,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Split subjects 7:1:2 by person, with unseen seasons and leagues held out."""
    import polars as pl

    from openbasket.splits.assign import assign
    from openbasket.splits.audit import official_files
    from openbasket.splits.persons import one_by_name
    from openbasket.tables import SPLITS
    from openbasket.workspace import Workspace, write_json

    workspace = Workspace(root)
    if audit:
        _audit(workspace, as_json)
        return
    players = workspace.read_or_empty("players").select("player_id", "name", "birth_date").rows()
    persons = one_by_name(players) if by_name else None
    before = workspace.read_or_empty("splits")
    splits = assign(
        workspace.read("subjects"),
        unseen_season=unseen_season,
        unseen_leagues=tuple(unseen_league or ()),
        ratios=ratios,
        seed=seed,
        persons=persons,
    )
    workspace.write("splits", splits)
    settings = {
        "unseen_season": unseen_season,
        "unseen_leagues": sorted(unseen_league or ()),
        "ratios": list(ratios),
        "seed": seed,
        "by_name": by_name,
    }
    write_json(workspace.private / "splits.json", settings)
    counts = [
        (name, part.height, part["player_id"].n_unique())
        for name in (*SPLITS, None)
        for part in [splits.filter(splits["split"].eq_missing(name))]
    ]
    if as_json:
        print_json(
            settings | {"subjects": {name or "left_out": number for name, number, _ in counts}}
        )
        return
    print_table(
        "Splits",
        ("split", "subjects", "persons"),
        [(name or "left out", f"{number:,}", f"{people:,}") for name, number, people in counts],
    )
    if persons and (others := len(persons) - len(set(persons.values()))):
        say(f"{counted(others, 'id is', 'ids are')} taken for another one of the same name")
    if any(file.exists() for file in official_files(workspace).values()) and not before.equals(
        splits
    ):
        say(
            "note: the split has changed; the official CSVs are of the one before: 'openbasket build'"
        )
    names = one_by_name((player, name, None) for player, name, _ in players)
    placed = splits.filter(pl.col("split").is_not_null()).with_columns(
        person=pl.col("player_id").replace(names)
    )
    apart = placed.group_by("person").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1)
    if apart.height:
        known = (
            "their birth dates differ"
            if by_name
            else "if these are no namesakes, --by-name takes them for one person each"
        )
        say(
            f"note: {counted(apart.height, 'name is', 'names are')} in more than one split, under several "
            f"ids: {known}"
        )


def _audit(workspace: Workspace, as_json: bool) -> None:
    from openbasket.splits import audit as auditing

    evidence = auditing.gather(workspace)
    report = auditing.audit(evidence)
    planted = auditing.self_test(evidence)
    if as_json:
        content = [{"kind": kind, "found": found} for kind, found in planted]
        print_json(report.to_json() | {"planted": content})
    else:
        print_table(
            "Planted leaks: does the audit find them?",
            ("kind", "found"),
            [(kind, "yes" if found else "NO") for kind, found in planted],
        )
        for what, count in report.checked.items():
            say(f"{what.replace('_', ' ')}: {count:,}")
        for note in report.notes:
            say(f"note: {note}")
        for kind, what in report.findings[:50]:
            say(f"LEAK: {kind}: {what}")
        say(counted(len(report.findings), "leak"))
    if report.findings or not all(found for _, found in planted):
        raise typer.Exit(1)


def reels(
    root: Root,
    events: Annotated[int, typer.Option(min=1, help="Events in a reel.")] = 50,
    min_events: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Make a reel of fewer events, from this number on. By default, none.",
            show_default=False,
        ),
    ] = None,
    before: Annotated[float, typer.Option(min=0, help="Seconds shown before the event.")] = 6.0,
    after: Annotated[float, typer.Option(min=0, help="Seconds shown after the event.")] = 4.0,
    draw: Annotated[
        int, typer.Option(min=0, max=99, help="Which draw of events: 0 is the dataset.")
    ] = 0,
    subject: Annotated[
        list[str] | None, typer.Option(help="Only this subject; may be repeated.")
    ] = None,
    few: Annotated[
        str,
        typer.Option(help="Subjects with too few events: leave_out, or keep with fewer clips."),
    ] = "leave_out",
    overlap: Annotated[
        str, typer.Option(help="Clips of one reel that overlap: apart, or merge to longer ones.")
    ] = "apart",
    replace: Annotated[
        bool, typer.Option(help="Draw another event for one that cannot be shown.")
    ] = True,
    check: Annotated[
        str,
        typer.Option(
            help="What to decode: stretches that are shown; the whole of each video, and damaged "
            "ones are left out; or bytes: what is copied is not decoded."
        ),
    ] = "stretches",
    preset: Annotated[str, typer.Option(help="x264 preset of the clips.")] = "veryfast",
    engine: Annotated[
        str, typer.Option(help="What runs the work: local (processes) or ray (a cluster).")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Ray cluster to use, such as 10.0.0.1:6379. By default, this machine."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Folder or URL (s3://...) that keeps clips and reels. By default, the workspace."
        ),
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Sample events, cut clips, join them to one highlight reel for each subject."""
    from openbasket.engine import Engine
    from openbasket.reels import ClipSettings, ReelSettings, build
    from openbasket.workspace import Workspace

    clip = ClipSettings(before, after, preset=preset)
    settings = ReelSettings(
        events,
        min_events,
        draw,
        seed,
        clip,
        few=cast("Few", few),  # the settings refuse what they do not know
        overlap=cast("Overlap", overlap),
        replace=replace,
        check=cast("Check", check),
    )
    report = build(
        Workspace(root),
        settings,
        subject_ids=subject or None,
        engine=Engine(engine, address, workers),
        store=store,
        quiet=quiet,
    )
    if as_json:
        print_json(report.to_json())
        return
    say(
        f"{counted(report.reels, 'reel')} of {counted(report.clips, 'different clip')}, "
        f"{report.seconds / 3600:.2f} hours; "
        f"{counted(report.encoded, 'clip was', 'clips were')} encoded now. They lie in {report.place}"
    )
    if report.without_video:
        say(
            f"without video: {report.without_video:,} of "
            f"{counted(report.games + report.without_video, 'game')}"
        )
    if report.replaced:
        told = counted(report.replaced, "event is shown", "events are shown")
        say(f"{told} in place of others that cannot be")
    if report.few:
        say(
            f"{counted(report.few, 'reel has', 'reels have')} fewer than {events} events "
            "(stage 'few' of table 'failures')"
        )
    left_out = [row for row in report.failures if row[0] != "few"]
    for stage, item, reason in left_out[:10]:
        say(f"left out ({stage}): {item}: {reason}")
    if len(left_out) > 10:
        say(f"and {len(left_out) - 10} more; all are in table 'failures'")


def build(root: Root, as_json: Json = False, _quiet: Quiet = False) -> None:
    """Write the official CSVs and a manifest for the reels of draw 0."""
    from openbasket.dataset.build import build as build_dataset
    from openbasket.workspace import Workspace

    report = build_dataset(Workspace(root))
    if as_json:
        print_json(report.to_json())
        return
    tell_built("Official CSVs", report)


def tell_built(title: str, report: BuildReport) -> None:
    """Print how many reels each split has, and which are in none."""
    rows = [(split, f"{reels:,}") for split, reels in report.rows.items()]
    print_table(title, ("split", "reels"), rows)
    if report.left_out:
        told = counted(report.left_out, "reel belongs", "reels belong")
        say(f"{told} to no split (the person is in another one)")
    if report.other_draws:
        say(f"note: these are of draw 0; {_reels_of(report.other_draws)} in no CSV and no manifest")


def _reels_of(draws: list[int]) -> str:
    named = ", ".join(map(str, draws))
    return f"reels of {'draw' if len(draws) == 1 else 'draws'} {named} (BASKET_draw{draws[0]}/ ...) are"


def verify(
    root: Root,
    draw: Annotated[
        int, typer.Option(min=0, max=99, help="Which draw's reels: 0 is the dataset.")
    ] = 0,
    deep: Annotated[
        bool, typer.Option("--deep", help="Decode every reel and compare its hash.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check a dataset on disk, ours or the official download, against its CSVs and tables."""
    from openbasket.dataset.verify import verify as verify_dataset
    from openbasket.workspace import Workspace

    report = verify_dataset(Workspace(root), draw=draw, deep=deep, quiet=quiet)
    if as_json:
        print_json(report.to_json())
    else:
        for what, fault in report.faults[:50]:
            say(f"{what}: {fault}")
        say(
            f"{counted(report.rows, 'row')}, {counted(report.videos, 'reel')}, "
            f"{report.decoded:,} decoded whole: {counted(len(report.faults), 'fault')}"
        )
        if report.other_draws:
            told = _reels_of(report.other_draws)
            say(f"note: these are of draw {draw}; {told} looked at with --draw")
    if report.faults:
        raise typer.Exit(1)


def statistics(root: Root, as_json: Json = False, _quiet: Quiet = False) -> None:
    """Count the dataset: players by season, gender and place (the paper's Table 6), labels, reels."""
    from openbasket.dataset.statistics import statistics as count
    from openbasket.workspace import Workspace

    found = count(Workspace(root))
    if as_json:
        print_json(found.to_json())
        return
    for title, columns, rows in found.tables():
        print_table(title, columns, rows)


def instructions(
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help="Dataset in the official layout, or a workspace.")
    ],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    split: Annotated[
        str, typer.Option(help="Split, such as train, val, test or cross_season.")
    ] = "train",
    levels: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Levels that the labels have. By default as the dataset's manifest says; 5 without one.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Write a split as questions and answers, to fine-tune a model that answers in text (LLaVA)."""
    from openbasket.dataset.export.instructions import write_instructions
    from openbasket.dataset.reader import dataset_levels
    from openbasket.errors import ConfigError

    have = dataset_levels(root)
    if levels not in (None, have) and (root / "openbasket" / "manifest.json").exists():
        raise ConfigError(
            f"--levels: got {levels}; the dataset at '{root}' has {have}: leave it out, or label anew"
        )
    count = write_instructions(root, out, split, levels=levels or have)
    if as_json:
        print_json({"path": str(out), "items": count})
    else:
        say(f"{counted(count, 'conversation')} written to {out}")
