"""Verbs: cache, pretrain, train, predict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from openbasket.cli.options import (
    Json,
    Quiet,
    Workers,
    print_json,
    print_table,
    refuse_no_predictions,
    say,
)
from openbasket.progress import note
from openbasket.wording import counted

__all__ = ["register"]

#: Failures that are shown; the file and JSON have them all.
SHOWN = 10

Data = Annotated[Path, typer.Option(help="Dataset in the official layout.")]
Override = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Change a setting of the recipe, like train.epochs=3; may be repeated."
    ),
]
Resume = Annotated[
    bool, typer.Option(help="Go on with the run that lies in the folder, or start anew.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(cache)
    app.command()(pretrain)
    app.command()(train)
    app.command()(predict)


def cache(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Dataset in the official layout.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Take frames as this recipe wants them: number, size, sampling and draw. A name or a TOML "
            "file."
        ),
    ] = None,
    override: Override = None,
    frames: Annotated[
        int | None,
        typer.Option(
            help="Frames of each reel, spread evenly. By default 64, or the recipe's.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Shorter side of a frame, pixels. By default 224, or the recipe's data.short_side.",
            show_default=False,
        ),
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="jpeg (small) or raw (large, read without decoding).")
    ] = "jpeg",
    sampling: Annotated[
        str | None,
        typer.Option(
            help="exact, or keyframe: the nearest frames that decode by themselves. By default exact, or "
            "the recipe's.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Split to read; may be repeated. By default all.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="Folder of the cache; by default openbasket/frame_cache in the dataset."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check all that is cached; make damaged entries again.")
    ] = False,
    webdataset: Annotated[
        Path | None, typer.Option(help="Write each split's frames and labels into shards here.")
    ] = None,
    shards: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Shard to take frames from first; may be repeated."),
    ] = None,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Keep the frames of every reel on disk, so that training does not decode videos again."""
    from openbasket.dataset.clips import clips_of
    from openbasket.dataset.export.webdataset import import_shards, write_shards
    from openbasket.dataset.frame_cache import cache_folder, cache_frames, sampling_facts, verified
    from openbasket.dataset.reader import SPLIT_FILES, dataset_levels, has_split, read_split
    from openbasket.errors import ConfigError, NotFoundError
    from openbasket.video.cache import FrameCache
    from openbasket.video.recording import Taking

    taking, draw, by_clip = Taking(format=cast("Any", file_format)), 0, False
    others: list[int] = []
    levels = dataset_levels(root)
    if recipe is not None:
        from openbasket.training.config import load_recipe
        from openbasket.training.reading import check_levels, lesson_draws, taking_of

        wanted = load_recipe(recipe, override or ())
        check_levels(root, wanted)
        data = wanted.data
        taking = replace(taking_of(data), format=taking.format)
        levels, draw, by_clip = data.levels, data.draw, data.sampling == "clips"
        if wanted.transcripts.epochs:
            others = [other for other in lesson_draws(root, wanted) if other != draw]
    elif override:
        raise ConfigError("--set changes a recipe: give --recipe, too")
    changes = {"frames": frames, "size": size, "sampling": sampling}
    given = {name: value for name, value in changes.items() if value is not None}
    if taking.every and frames is not None:
        raise ConfigError(
            f"recipe '{recipe}' wants every {taking.every}. frame of each reel; leave out --frames"
        )
    taking = replace(taking, **cast("Any", given))
    # Without any split, reading the first one says what is missing.
    names = split or [name for name in SPLIT_FILES if has_split(root, name)] or ["train"]
    parts = {name: read_split(root, name, levels=levels, draw=draw) for name in names}
    samples = [sample for part in parts.values() for sample in part]
    if not samples:
        raise NotFoundError(f"the splits of '{root}' have no subjects")
    folder = into or cache_folder(root)
    store = FrameCache(folder)
    imported = import_shards(shards or (), store)
    damaged = verified(store, workers=workers, quiet=quiet) if verify else []
    drawn = {draw: samples}
    if "train" in parts:
        drawn |= {other: read_split(root, "train", levels=levels, draw=other) for other in others}
    videos = list(dict.fromkeys(sample.video for own in drawn.values() for sample in own))
    clips = None
    if by_clip:
        clips = {
            video: found
            for other, own in drawn.items()
            for video, found in clips_of(
                root, own, other, folder=folder, workers=workers, quiet=quiet
            ).items()
        }
    entries = cache_frames(
        videos, folder, root=root, clips=clips,
        within=taking.within, frames=taking.frames, short_side=taking.size,
        sampling=taking.sampling, format=taking.format, every=taking.every, workers=workers,
        quiet=quiet, tell=lambda text: note(text, quiet=quiet),
    )  # fmt: skip
    held = dict(zip(videos, entries, strict=True))
    written: list[Path] = []
    if webdataset is not None:
        for name, part in parts.items():
            mine = [held[sample.video] for sample in part]
            written += write_shards(part, mine, webdataset, name=name) if part else []
    size_bytes = sum({entry.path: entry.path.stat().st_size for entry in entries}.values())
    facts = sampling_facts(entries)
    if as_json:
        print_json(
            {
                **facts,
                "folder": str(folder),
                "reels": len(videos),
                "bytes": size_bytes,
                "imported": len(imported),
                "damaged": damaged,
                "shards": [str(path) for path in written],
            }
        )
        return
    for fault in damaged:
        say(f"made again: {fault}")
    say(
        f"{counted(len(videos), 'reel')}, {taking.told}, {size_bytes / 1e6:,.1f} MB in {folder}; "
        f"sampling {facts['sampling']}, at most {facts['largest_error_s']:.2f} s off"
    )
    for path in written:
        say(f"wrote {path}")


def pretrain(
    recipe: Annotated[
        str, typer.Argument(help="Recipe of SkillQuery (openbasket recipes), or a TOML file.")
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    override: Override = None,
    resume: Resume = True,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Teach a clip encoder alone what is seen in clips, from the transcripts they were cut around.

    'openbasket train' does so first where the recipe has transcripts.epochs. Interrupted and run again, it
    goes on. Train from its encoder with --set transcripts.epochs=0 --set
    model.weights=OUT/encoder.safetensors; teach it more with that model.weights and another --out.
    """
    from openbasket.models.questions import TARGETS
    from openbasket.training.config import load_recipe
    from openbasket.training.transcripts import pretrain as run_pretraining

    config = load_recipe(recipe, override or ())
    report = run_pretraining(config, data, out, resume=resume, workers=workers, quiet=quiet)
    if as_json:
        print_json(report.to_json())
        return
    print_table(
        f"What the encoder tells of {counted(report.val_clips, 'clip')} of other persons",
        ("question", "answers", "right", "of whole reels", "most frequent answer"),
        [
            (
                name, str(len(answers)), f"{100 * report.accuracy[name]:.1f} %",
                f"{100 * report.recurring[name]:.1f} %" if name in report.recurring else "",
                f"{100 * report.chance[name]:.1f} %",
            )
            for name, answers in TARGETS.items()
        ],
    )  # fmt: skip
    say(
        f"{counted(report.epochs, 'epoch')} on {counted(report.clips, 'clip')}, {report.seconds:.0f} s; "
        f"encoder in {report.encoder}" + (f"; begun with {report.start}" if report.start else "")
    )


def train(
    recipe: Annotated[
        str, typer.Argument(help="Name of a recipe (openbasket recipes), or a TOML file.")
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    override: Override = None,
    resume: Resume = True,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on the dataset's train split; keep the best by its val split.

    With several processes: accelerate launch --multi_gpu --num_processes N -m openbasket train ...
    """
    from dataclasses import asdict

    from openbasket.training.config import load_recipe
    from openbasket.training.loop import train as run_training

    config = load_recipe(recipe, override or ())
    report = run_training(config, data, out, resume=resume, quiet=quiet, workers=workers)
    if not report.is_main:
        return
    if as_json:
        print_json(asdict(report))
        return
    say(
        f"{counted(report.epochs, 'epoch')} on {counted(report.train_samples, 'reel')} "
        f"({report.val_samples} to validate), {report.parameters:,} parameters, "
        f"{report.seconds:.0f} s; best epoch {report.best_epoch} (counted from 0)"
    )
    if report.resumed_from == report.epochs:
        say("nothing was left to learn: the run was finished before")
    if report.features_computed is not None:
        reels = report.train_samples + report.val_samples
        say(
            f"heads alone learned; features of {counted(reels, 'reel')}: "
            f"{report.features_computed} computed, {reels - report.features_computed} from the cache"
        )
    effect = report.sampling_effect
    if effect:
        exact, near = effect["accuracy"]["exact"], effect["accuracy"]["keyframe"]
        say(
            f"accuracy on {counted(effect['labels'], 'label')} of '{effect['split']}': "
            f"{100 * near:.1f} % with key frames, {100 * exact:.1f} % with exact frames"
        )


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    split: Annotated[
        list[str] | None,
        typer.Option(help="Split to predict; may be repeated. By default all but train and val."),
    ] = None,
    views: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="T S",
            help="Temporal and spatial views whose probabilities are averaged; by default the recipe's.",
        ),
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(
            help="exact or keyframe; by default as the run was trained.", show_default=False
        ),
    ] = None,
    allow_failures: Annotated[
        bool, typer.Option("--allow-failures", help="Exit with 0 though videos could not be used.")
    ] = False,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict the levels of every subject of a split with a trained run.

    Subjects whose video fails are left out, listed in OUT's .failures.json, and the exit code is 1.
    """
    from dataclasses import asdict

    from openbasket.dataset.reader import test_splits
    from openbasket.errors import ConfigError
    from openbasket.training.predict import failures_path
    from openbasket.training.predict import predict as run_prediction
    from openbasket.training.text import answer_report, answers_path
    from openbasket.video.frames import SAMPLINGS

    refuse_no_predictions(out, data)
    if reader not in (None, *SAMPLINGS):
        raise ConfigError(f"--reader: got '{reader}'; allowed: {', '.join(SAMPLINGS)}")
    splits = split or test_splits(data)
    if not splits:
        raise ConfigError(f"'{data}' has no test split with subjects; name others with --split")
    done = run_prediction(
        run, data, out, splits=splits, views=views, reader=cast("Any", reader), quiet=quiet,
        workers=workers,
    )  # fmt: skip

    if not done.is_main:
        return
    answers = answer_report(out)
    subjects, failed = done.frame["subject_id"].n_unique(), len(done.failures)
    if as_json:
        print_json(
            {
                "path": str(out), "subjects": subjects, "rows": done.frame.height, "splits": splits,
                "failures": [asdict(failure) for failure in done.failures],
            }
            | ({} if answers is None else {"answers": asdict(answers)})
        )  # fmt: skip
    else:
        say(f"{counted(subjects, 'subject')} of {', '.join(splits)} predicted into {out}")
        if answers is not None:
            faults = ", ".join(
                f"{n} {kind.replace('_', ' ')}" for kind, n in answers.faults.items()
            )
            say(
                f"{counted(answers.answers, 'answer')}, {answers.whole} without a fault; "
                f"{answers.levels} of {answers.cells} levels; faults: {faults} ({answers_path(out)})"
            )
        for failure in done.failures[:SHOWN]:
            say(f"no prediction: {failure.subject_id} ({failure.path}): {failure.error}")
        if failed:
            say(f"{counted(failed, 'subject')} without predictions, listed in {failures_path(out)}")
    if failed and not allow_failures:
        raise typer.Exit(1)
