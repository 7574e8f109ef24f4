"""Verbs: study create, serve, invite, export, results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from openbasket.cli.options import Json, Quiet, print_json, print_table, say
from openbasket.wording import counted

__all__ = ["register"]

File = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file.")]
Database = Annotated[
    str | None,
    typer.Option(
        help="URL; by default OPENBASKET_STUDY_DATABASE, else SQLite beside the file.",
        show_default=False,
    ),
]
PublicUrl = Annotated[
    str | None,
    typer.Option(help="How people reach the server: https://study.example.org", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    study = typer.Typer(no_args_is_help=True)
    for verb in (create, serve, invite, export, results):
        study.command()(verb)
    app.add_typer(study, name="study", help="Run the paper's human study, and make its Figure 5.")


def create(
    data: Annotated[Path, typer.Argument(metavar="DATASET", help="In the official layout.")],
    league: Annotated[str, typer.Option(help="League of the players.")],
    season: Annotated[str, typer.Option(help="Season of the players, such as 18-19.")],
    out: Annotated[Path, typer.Option(help="Study file to write.")] = Path("study.toml"),
    split: Annotated[str, typer.Option(help="Split of the players.")] = "test",
    levels: Annotated[int, typer.Option(help="3 or 5.")] = 3,
    skill: Annotated[
        list[str] | None,
        typer.Option(help="Skill to rate; repeat it. By default one of each category."),
    ] = None,
    players: Annotated[int, typer.Option(help="Players a session.")] = 5,
    sessions: Annotated[int, typer.Option(help="Sessions a participant.")] = 3,
    pool: Annotated[
        int | None,
        typer.Option(
            help="Players to draw, evenly over levels; by default as many as stay even.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check that a dataset can carry a study, and write the study file."""
    from openbasket.skills import BY_KEY, level_names
    from openbasket.study.design import level_counts, load_design, uneven
    from openbasket.study.writing import create as write

    settings = {
        "league": league,
        "season": season,
        "split": split,
        "levels": levels,
        "players": players,
        "sessions": sessions,
    }
    optional = {"skills": skill, "pool": pool}
    settings |= {name: value for name, value in optional.items() if value is not None}
    found = write(out, data, settings)
    design = load_design(out)
    for key, counts in level_counts(found, design).items():
        told = ", ".join(f"{n} {name}" for n, name in zip(counts, level_names(levels), strict=True))
        say(f"{BY_KEY[key].name}: {told}")
    for key, share in uneven(found, design).items():
        say(
            f"warning: {100 * share:.0f} % of the players have one level of {BY_KEY[key].name}: who always "
            "says it is right that often. Fewer skills, another --pool or another league may be more even"
        )
    say(
        f"{out}: {counted(len(found), 'player')} can be drawn. Serve it: openbasket study serve {out}"
    )


def serve(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="STUDY.toml", help="The study file.", show_default=False),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 for a free one.")] = 8000,
    database: Database = None,
    public_url: PublicUrl = None,
    proxy: Annotated[
        str | None,
        typer.Option(help="Addresses of proxies to believe, such as 127.0.0.1", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATASET",
            help="Where the study file is not there yet: make it of this dataset, at /admin.",
            show_default=False,
        ),
    ] = None,
    demo: Annotated[
        Path | None,
        typer.Option(
            help="Make a simulated league in this folder and serve it.", show_default=False
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Serve a study: pages for participants, and the administration at /admin.

    The administration's password is taken from OPENBASKET_STUDY_PASSWORD; where none was ever set, one is
    made and printed.
    """
    from openbasket.errors import ConfigError
    from openbasket.study.app import Study, create_app
    from openbasket.study.founding import Founding
    from openbasket.study.opening import dataset_of, open_store, url_of
    from openbasket.study.security import Tokens
    from openbasket.study.serving import PASSWORD_VARIABLE, check_url, set_password
    from openbasket.study.serving import serve as run

    if (file is None) == (demo is None):
        raise ConfigError("give a study file, or --demo FOLDER")
    check_url(public_url)
    if demo is not None:
        from openbasket.cli.study_demo import make

        file = make(demo, quiet=quiet)
    assert file is not None
    given = os.environ.get(PASSWORD_VARIABLE)
    app: Any
    founding = data is not None and not file.exists()
    if founding:
        assert data is not None
        app = Founding(url_of(file, database), file, data, public_url)
        memory = app.database
    else:
        store = open_store(file, database)
        memory = store.database
        app = create_app(Study(store, dataset_of(file, store.design), public_url))
    made = set_password(memory, given)

    def ready(local: str) -> None:
        address = (public_url or local).rstrip("/")
        memory.set_meta("address", address)  # for 'study invite'
        if founding:
            say(f"'{file}' is not there yet; make the study at {address}/admin")
        else:
            say(f"Participants: 'openbasket study invite {file}' or {address}/admin")
        if made is not None:
            say(f"Password of the administration (kept nowhere): {made}")
        elif given is None:
            say(f"The password was set before; {PASSWORD_VARIABLE} sets a new one")
        if demo is not None and store.meta("state") != "closed":
            token = Tokens(memory.secret()).derive("demo")[:40]
            store.invite(1, "demo", [token])
            say(f"Take part: {address}/i/{token}")

    try:
        run(app, host=host, port=port, proxy=proxy, ready=ready)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; all answers are stored") from None


def invite(
    file: File,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 1,
    note: Annotated[str, typer.Option(help="Note that only you see.")] = "",
    public_url: PublicUrl = None,
    database: Database = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Make invitations and print their links, which are kept nowhere.

    The links begin with --public-url, or with the address at which the study was served last.
    """
    from openbasket.errors import ConfigError
    from openbasket.study.opening import open_store

    if len(note) > 100 or not note.isprintable():
        raise ConfigError("the note may have up to 100 printable characters")
    store = open_store(file, database)
    base = (public_url or store.meta("address") or "http://127.0.0.1:8000").rstrip("/")
    links = [{"participant": n, "link": f"{base}/i/{t}"} for n, t in store.invite(count, note)]
    if as_json:
        print_json(links)
        return
    for row in links:
        say(f"{row['participant']}\t{row['link']}")


def export(
    file: File,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("study"),
    database: Database = None,
) -> None:
    """Write ratings, participants and the pay list: CSV for people, parquet for machines."""
    from openbasket.study.exports import write_all
    from openbasket.study.opening import open_store

    for path in write_all(open_store(file, database), out):
        path.chmod(0o600)  # what people said is for the study's team
        say(str(path))


def results(
    file: File,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(help="Predictions of as many levels, of the same players; may be repeated."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("study"),
    resamples: Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")] = 2000,
    database: Database = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Write Figure 5, the table with intervals, and the rows for 'evaluate --beside'."""
    from openbasket.study.opening import dataset_of, open_store
    from openbasket.study.results import summarise
    from openbasket.study.results_files import notes, tables, write_results

    store = open_store(file, database)
    root = dataset_of(file, store.design)
    found = summarise(store, predictions or (), root=root, resamples=resamples)
    paths = write_results(found, out)
    if as_json:
        print_json(found.to_json())
        return
    for table in tables(found):
        print_table(*table)
    for note in notes(found):
        say(note)
    for path in paths:
        say(str(path))
