"""Verbs: evaluate, leaderboard, report, predictions from-official."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from openbasket.cli.options import Json, Quiet, Root, print_json, print_table, say

__all__ = ["Crossing", "Hashed", "Resamples", "file_of", "register"]

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="Parquet files of predictions, or folders of runs with a predictions.parquet.",
    ),
]
Data = Annotated[Path, typer.Option(help="Dataset in the official layout.")]
Splits = Annotated[
    list[str] | None,
    typer.Option(help="Split to score; may be repeated. By default all but train and val."),
]
Resamples = Annotated[int, typer.Option(min=100, max=100_000, help="Resamples of the bootstrap.")]
Crossing = Annotated[
    bool,
    typer.Option(
        "--allow-crossing", help="Score although names of the training split are in a test split."
    ),
]

Hashed = Annotated[
    bool,
    typer.Option(
        "--require-hash",
        help="Refuse predictions that do not state the hash of the labels they were made for.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(evaluate)
    app.command()(leaderboard)
    app.command()(report)
    group = typer.Typer(no_args_is_help=True, help="Predictions of other programs.")
    group.command("from-official")(from_official)
    app.add_typer(group, name="predictions")


def evaluate(
    predictions: Files,
    data: Data,
    split: Splits = None,
    resamples: Resamples = 2000,
    form: Annotated[
        str | None,
        typer.Option("--format", help="Print tables as markdown, latex or csv."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for each table in all formats, and evaluation.json."),
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(
            help="Rows of people: study_rows.json of 'study results'.", show_default=False
        ),
    ] = None,
    allow_crossing: Crossing = False,
    require_hash: Hashed = False,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Score predictions: the paper's Tables 2, 3, 5 and 8, all metrics, and which runs differ."""
    from openbasket.evaluation import evaluate as score
    from openbasket.evaluation import formats, tables
    from openbasket.evaluation.study_rows import read_study_rows
    from openbasket.workspace import write_json, write_text

    if form is not None:
        formats.render([], form)  # an unknown name is told before the work
    people = read_study_rows(beside) if beside else None
    evaluation = score(
        [file_of(path, data) for path in predictions],
        data,
        splits=split or None,
        resamples=resamples,
        allow_crossing=allow_crossing,
        require_hash=require_hash,
    )
    content = evaluation.to_json() | ({} if people is None else {"study": people})
    found = tables.paper_tables(evaluation)
    if people is not None:
        labels = _hashes(data, people["labels"], evaluation.levels)
        found.append(tables.study_table(people, evaluation.levels, labels))
    if out is not None:
        write_json(out / "evaluation.json", content)
        for table in found:
            for ending, render in formats.FORMATS.values():
                write_text(out / f"{table.name}.{ending}", render([table]))
    if as_json:
        print_json(content)
    elif form is not None:
        typer.echo(formats.render(found, form))
    else:
        for table in found:
            print_table(table.title, table.columns, table.texts(), table.footer, keys=table.keys)
        for note in evaluation.notes:
            say(f"note: {note}")
        if out is not None:
            say(f"{out}: {len(found)} tables as Markdown, LaTeX and CSV, and evaluation.json")


def _hashes(data: Path, splits: Iterable[str], levels: int) -> dict[str, str]:
    from openbasket.dataset.reader import SPLIT_FILES, has_split, labels_hash, read_split

    return {
        split: labels_hash(read_split(data, split, levels=levels, require_videos=False), levels)
        for split in splits
        if split in SPLIT_FILES and has_split(data, split)
    }


def leaderboard(
    predictions: Files,
    data: Data,
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("leaderboard.html"),
    split: Splits = None,
    resamples: Resamples = 2000,
    allow_crossing: Crossing = False,
    require_hash: Hashed = False,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Write one HTML page that ranks runs on each split, with intervals and groups of equals."""
    from openbasket.errors import ConfigError
    from openbasket.evaluation import evaluate as score
    from openbasket.evaluation.leaderboard import write_leaderboard

    if out.suffix.lower() != ".html":
        raise ConfigError(f"--out '{out}': the leaderboard is a page, .html")
    evaluation = score(
        [file_of(path, data) for path in predictions],
        data,
        splits=split or None,
        resamples=resamples,
        breakdowns=False,
        allow_crossing=allow_crossing,
        require_hash=require_hash,
    )
    _written(write_leaderboard(evaluation, out), as_json)


def file_of(path: Path, data: Path) -> Path:
    """A file of predictions; of a run's folder, the one in it."""
    from openbasket.errors import NotFoundError

    if not path.is_dir():
        return path
    file = path / "predictions.parquet"
    if not file.is_file():
        raise NotFoundError(
            f"'{path}' is a folder without predictions.parquet. If it is a run, predict first: "
            f"openbasket predict {path} --data {data} --out {file}"
        )
    return file


def report(
    root: Root,
    out: Annotated[
        Path, typer.Option(help="File to write: .html, .md (Markdown) or .tex (LaTeX).")
    ] = Path("report.html"),
    predictions: Annotated[
        list[Path] | None, typer.Option(help="Predictions to show; may be repeated.")
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            help="Human study for Figure 5: results.json of 'study results', or its folder.",
            show_default=False,
        ),
    ] = None,
    allow_crossing: Crossing = False,
    require_hash: Hashed = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write all tables and figures about the dataset and the runs on it: one page, or a LaTeX document."""
    from openbasket.evaluation.report import write_report
    from openbasket.workspace import Workspace

    path = write_report(
        Workspace(root),
        out,
        predictions=[file_of(path, Path(root)) for path in predictions or ()],
        allow_crossing=allow_crossing,
        require_hash=require_hash,
        study=study,
        quiet=quiet,
    )
    _written(path, as_json)


def from_official(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="The official code's 0.txt, 1.txt ..., or a folder."
        ),
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Predictions file to write (.parquet).")],
    model: Annotated[str, typer.Option(help="Name of the model.")],
    run: Annotated[
        str | None, typer.Option(help="Name of the run; the model's by default.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split that was tested.")] = "test",
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Read what the paper's official code writes when it tests, one file for each process."""
    from openbasket.evaluation.official import convert_official

    found = convert_official(files, data, out, model=model, run=run or model, split=split)
    told: dict[str, Any] = {"path": str(out), **found.to_json()}
    if as_json:
        print_json(told)
        return
    say(f"{out}: {found.subjects} subjects of '{split}', {found.views} views each")
    for note in found.notes:
        say(f"note: {note}")


def _written(path: Path, as_json: bool) -> None:
    if as_json:
        print_json({"path": str(path), "bytes": path.stat().st_size})
    else:
        size = path.stat().st_size
        told = f"{size / 1e6:.1f} MB" if size > 50_000 else f"{size / 1e3:.0f} kB"
        say(f"{path} ({told})" + (": open it in a browser" if path.suffix == ".html" else ""))
