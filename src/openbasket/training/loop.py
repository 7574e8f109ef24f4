"""The training loop: plain PyTorch under Accelerate, with exact resume.

All chance (weights, order, augmentation, dropout) is drawn from generators seeded anew for each
epoch, and a checkpoint is written at the end of each epoch. So a resumed run needs no saved state
of a random generator to go on exactly as if it had not stopped (bit for bit on a CPU; on a GPU as
far as its kernels are deterministic).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn

from openbasket.dataset.frame_cache import sampling_facts
from openbasket.dataset.reader import Sample, read_split
from openbasket.errors import BadInputError, ConfigError, DependencyError, NotFoundError, Problem
from openbasket.models import TEXT_MODELS
from openbasket.progress import bar
from openbasket.training import checkpoint
from openbasket.training.building import Start, build_model, load_start, own_code
from openbasket.training.config import Recipe
from openbasket.training.data import ClipDataset, Items, of_persons, seed_of
from openbasket.training.faults import explained
from openbasket.training.features import (
    FeatureDataset,
    FrozenSession,
    conditions_of,
    freeze,
    frozen_features,
    load_backbone,
    weights_hash,
)
from openbasket.training.optim import Average, make_optimizer
from openbasket.training.processes import make_accelerator, on_main
from openbasket.training.reading import cache_command, check_levels, read_frames, taking_of
from openbasket.training.run import (
    BEST,
    LAST,
    LESSONS,
    LESSONS_LAST,
    LESSONS_START,
    Folder,
    begun_with,
    fingerprint,
    read_facts,
)
from openbasket.training.sampling import record_effect
from openbasket.training.session import Session
from openbasket.training.text import TextSession
from openbasket.training.trackers import check_tracker, tracker
from openbasket.video.cache import CachedFrames
from openbasket.video.recording import Format
from openbasket.wording import counted
from openbasket.workspace import sha256

__all__ = ["TrainReport", "train"]

GO_ON = "The last whole epoch is kept: the same command, with such a change, goes on or starts anew"

OnEpoch = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training run did.

    Args:
        run_dir: folder with recipe, weights and metrics.
        epochs: epochs done, in all sessions together.
        resumed_from: epochs that were done already when this session began.
        best_epoch: zero-based epoch of the lowest validation loss, whose weights are kept.
        best_val_loss: cross-entropy in nats, mean over the skills with labels.
        parameters: number of weights.
        train_samples: subjects in the training split.
        val_samples: subjects in the validation split.
        history: the lines of ``metrics.csv``.
        seconds: wall time of this session.
        features_computed: videos whose features this session computed, where the backbone is frozen; those
            of the others were kept. ``None`` where all weights learn, or nothing was left to do.
        sampling_effect: of :func:`openbasket.training.sampling.record_effect`; ``None`` with exact frames.
        is_main: whether this is the process that writes; one of several is.
    """

    run_dir: Path
    epochs: int
    resumed_from: int
    best_epoch: int
    best_val_loss: float
    parameters: int
    train_samples: int
    val_samples: int
    history: tuple[dict[str, Any], ...]
    seconds: float
    features_computed: int | None = None
    sampling_effect: dict[str, Any] | None = None
    is_main: bool = True


def train(
    recipe: Recipe,
    data_root: Path,
    out_dir: Path,
    *,
    resume: bool = True,
    quiet: bool = False,
    workers: int | None = None,
    on_epoch: OnEpoch | None = None,
) -> TrainReport:
    """Train a recipe's model on the ``train`` split; choose the epoch by the ``val`` split.

    A run that was interrupted goes on after its last whole epoch; a finished one returns at once. What frames
    that are not exact cost is measured at the end, and recorded.
    Under ``accelerate launch`` all processes learn together, and the main one alone writes.

    Args:
        recipe: from :func:`openbasket.training.config.load_recipe`.
        data_root: a dataset in the official layout.
        out_dir: the run's folder.
        resume: go on with the run in ``out_dir``; if false, start anew over it.
        quiet: show no progress.
        workers: processes that decode videos; all cores by default.
        on_epoch: called with the new line of metrics after each epoch.

    Raises:
        ConfigError: ``out_dir`` holds a run of another recipe, other data or other frames, the dataset
            has another number of levels than the recipe, or the model cannot be built, gives no logits, or
            is to be frozen and does not tell features from heads.
        NotFoundError: a split has no subjects, or there are no such weights to begin with.
        WorkspaceError: another process trains in ``out_dir``, or it cannot be written.
        BadInputError: missing videos, labels outside the recipe's levels, or no labels at all.
        VideoError: videos that do not decode.
        DependencyError: the tracker's package is not installed.
        TrainingError: the loss is no number, memory ran out, or a loader process died.
        KeyboardInterrupt: says what is kept and how to go on.
    """
    folder = Folder(out_dir)
    try:
        return _train(recipe, data_root, folder, resume, quiet, workers, on_epoch)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_left(folder, recipe, resume)) from None
    except (ConfigError, DependencyError):
        folder.abandon()
        raise
    finally:
        folder.release()


def _train(
    recipe: Recipe,
    data_root: Path,
    folder: Folder,
    resume: bool,
    quiet: bool,
    workers: int | None,
    on_epoch: OnEpoch | None,
) -> TrainReport:
    began = time.monotonic()
    out_dir = folder.path
    accelerator = make_accelerator(recipe)
    whole = _split(data_root, "train", recipe)
    _check_conditions(whole, recipe)
    train_samples = of_persons(whole, recipe.train.fraction, recipe.train.seed)
    val_samples = _split(data_root, "val", recipe)
    check_levels(data_root, recipe)
    check_tracker(recipe)
    data = fingerprint([*train_samples, *val_samples], data_root)
    if recipe.model.frozen and (recipe.transcripts.redraw or recipe.transcripts.told):
        from openbasket.training.transcripts import told_hash

        data = told_hash(data, data_root)
    folder.refuse_own(recipe.model.weights, BEST, LAST)
    on_main(accelerator, lambda: folder.claim(recipe, data, resume=resume))

    set_seed(seed_of("weights", recipe.train.seed))
    model = build_model(recipe)
    going_on = resume and folder.has_epochs
    start = lessons = None
    if going_on:
        _refuse_other_start(folder, recipe)
    else:
        taught, lessons = _taught(recipe, data_root, out_dir, accelerator, resume, workers, quiet)
        start = load_start(taught, model)
    model.to(accelerator.device)
    frozen = recipe.model.frozen
    if going_on and frozen:  # the last checkpoint has the heads alone
        load_backbone(out_dir / BEST, model, checkpoint.scalars_of(out_dir / LAST))
    learning = freeze(model) if frozen else model
    optimizer = make_optimizer(model, recipe.train)
    average = Average(model, recipe.train.ema) if recipe.train.ema else None
    averaged = None
    if average is not None:
        averaged = average.model.get_submodule("heads") if frozen else average.model
    state: dict[str, Any] = {"epochs": 0, "best_epoch": -1, "best_val_loss": None, "history": []}
    if frozen:
        state["backbone"] = weights_hash(model)
    if going_on:
        state = checkpoint.load(out_dir / LAST, learning, optimizer, averaged)
    resumed_from = state["epochs"]
    computed: int | None = None
    settings = recipe.model_dump(mode="json")
    main = accelerator.is_main_process
    quiet = quiet or not main
    parameters = sum(p.numel() for p in model.parameters())

    if resumed_from < recipe.train.epochs and not _patience_ended(state, recipe):

        def read() -> list[CachedFrames]:
            """Read the frames of all videos, and write down what the run is made of."""
            samples = [*train_samples, *val_samples]
            before = read_facts(out_dir).get("reading", {}) if going_on else {}
            form: Format = "raw" if before.get("format") == "raw" else "jpeg"
            cached = read_frames(
                samples, data_root, out_dir, recipe, form=form, workers=workers, quiet=quiet
            )
            facts: dict[str, Any] = {
                "reading": sampling_facts(cached),
                "train_samples": len(train_samples),
                "val_samples": len(val_samples),
            }
            if going_on:
                _refuse_other_frames(data_root, out_dir, recipe, before, facts["reading"], form)
                folder.record(recipe=settings, **facts)
            else:
                facts |= own_code(recipe) | ({"weights": asdict(start)} if start else {})
                if lessons:
                    facts[LESSONS_START] = asdict(lessons)
                folder.begin(recipe, data, resume=resume, **facts)
            return cached

        cached = on_main(accelerator, read)
        samples, count = [*train_samples, *val_samples], len(train_samples)
        train_set: Items
        val_set: Items
        if frozen:
            features = frozen_features(
                accelerator, recipe, model, samples, cached, data_root, out_dir, quiet=quiet
            )
            computed = features.computed
            train_set = _of_features(
                train_samples, features.values[:count], model, recipe, data_root
            )
            val_set = FeatureDataset(
                val_samples, features.values[count:], conditions_of(val_samples, recipe.data)
            )
        else:
            train_set = ClipDataset(
                train_samples, cached[:count], recipe.data, seed=recipe.train.seed, augment=True
            )
            val_set = ClipDataset(val_samples, cached[count:], recipe.data)
        session = _session_of(recipe)(
            accelerator, recipe, model, accelerator.prepare_model(learning), optimizer, average,
            train_samples, train_set, val_set,
        )  # fmt: skip
        if main:
            if computed is not None:
                folder.tell(f"heads alone learn; features of {computed} of {len(samples)} computed")
            folder.tell(
                f"{'goes on after' if resumed_from else 'begins;'} {resumed_from} of {recipe.train.epochs} "
                f"epochs done, {accelerator.num_processes} x {accelerator.device}"
                + (f"; {start}" if start else "")
                + (f", whose lessons began with {lessons}" if lessons else "")
            )
        total = recipe.train.epochs * session.updates
        with (
            tracker(recipe, out_dir, wanted=main) as track,
            bar("Training", total, done=resumed_from * session.updates, quiet=quiet) as advance,
            explained("training", recipe.train.batch_size, go_on=GO_ON),
        ):
            for epoch in range(resumed_from, recipe.train.epochs):
                begun = time.monotonic()
                line, rows = session.epoch(epoch, lambda text: advance(1, text))
                best = state["best_val_loss"] is None or line["val_loss"] < state["best_val_loss"]
                if best:
                    state |= {"best_epoch": epoch, "best_val_loss": line["val_loss"]}
                state |= {"epochs": epoch + 1, "history": [*state["history"], line]}
                if main:
                    folder.write_steps(epoch, rows)
                    if best:
                        checkpoint.save_weights(out_dir / BEST, session.kept, line)
                    checkpoint.save(out_dir / LAST, learning, optimizer, state, averaged)
                    folder.write_metrics(state["history"])
                    folder.write_card(parameters, state)
                    seconds = time.monotonic() - begun
                    folder.tell(
                        f"epoch {epoch}: loss {line['train_loss']:.4f}, validation {line['val_loss']:.4f}, "
                        f"{len(train_samples) / seconds:.1f} videos/s"
                        + (", the best so far" if best else "")
                    )
                    track(line)
                accelerator.wait_for_everyone()
                if on_epoch is not None:
                    on_epoch(line)
                if _patience_ended(state, recipe):
                    break
    elif main:
        folder.record(recipe=settings)
        folder.write_metrics(state["history"])
        folder.write_card(parameters, state)
    effect = None
    if recipe.data.reader != "exact":
        effect = on_main(accelerator, lambda: read_facts(out_dir).get("reading", {}).get("effect"))
        if effect is None:
            effect = record_effect(out_dir, data_root, workers=workers, quiet=quiet)
    return TrainReport(
        run_dir=out_dir,
        epochs=state["epochs"],
        resumed_from=resumed_from,
        best_epoch=state["best_epoch"],
        best_val_loss=state["best_val_loss"],
        parameters=parameters,
        train_samples=len(train_samples),
        val_samples=len(val_samples),
        history=tuple(state["history"]),
        seconds=time.monotonic() - began,
        features_computed=computed,
        sampling_effect=effect,
        is_main=main,
    )


def _refuse_other_start(folder: Folder, recipe: Recipe) -> None:
    """Refuse to go on where the file of weights that the run began with holds others now."""
    begun = begun_with(read_facts(folder.path), recipe)
    if not begun or recipe.model.weights is None:
        return
    file = Path(recipe.model.weights).expanduser()
    if file.is_file() and sha256(file) != begun["sha256"]:
        raise ConfigError(
            f"'{folder.path}' holds a run that began with other weights than those that '{file}' holds now. "
            "Put its own file back, give another --out, or start anew over this run (--no-resume)"
        )


def _refuse_other_frames(
    root: Path,
    out_dir: Path,
    recipe: Recipe,
    before: dict[str, Any],
    now: dict[str, Any],
    form: Format,
) -> None:
    """Refuse to go on with frames in another form than before."""
    other = [
        f"{name} {before[name]}, now {now.get(name)}"
        for name in ("sampling", "frames", "every", "short_side", "format")
        if name in before and before[name] != now.get(name)
    ]
    if other:
        taking = replace(taking_of(recipe.data), format=form)
        command = cache_command(root, recipe, taking)
        raise ConfigError(
            f"'{out_dir}' holds a run whose frames had another form: {'; '.join(other)}. "
            + (f"Make such frames again ({command}), or start" if command else "Start")
            + " anew over this run (--no-resume)"
        )


def _taught(
    recipe: Recipe,
    root: Path,
    out_dir: Path,
    accelerator: Accelerator,
    resume: bool,
    workers: int | None,
    quiet: bool,
) -> tuple[Recipe, Start | None]:
    """The recipe with the weights of a clip encoder that learned from transcripts first, if it says so.

    And what these lessons began with, if that were weights.
    """
    if not recipe.transcripts.epochs:
        return recipe, None
    from openbasket.training.transcripts import pretrain

    report = on_main(
        accelerator,
        lambda: pretrain(
            recipe,
            root,
            out_dir / LESSONS,
            frames_dir=out_dir,
            resume=resume,
            workers=workers,
            quiet=quiet,
        ),
    )
    model = recipe.model.model_copy(update={"weights": str(report.encoder)})
    return recipe.model_copy(update={"model": model}), report.start


def _patience_ended(state: dict[str, Any], recipe: Recipe) -> bool:
    """Whether the validation loss has not fallen for as long as the recipe waits."""
    waited = int(state["epochs"]) - 1 - int(state["best_epoch"])
    return 0 < recipe.train.patience <= waited


def _of_features(
    samples: list[Sample], features: torch.Tensor, model: nn.Module, recipe: Recipe, root: Path
) -> FeatureDataset:
    """What the heads learn from: reels as they are, or drawn anew."""
    if not recipe.transcripts.redraw:
        return FeatureDataset(samples, features, conditions_of(samples, recipe.data))
    from openbasket.training.redraw import redrawn

    return redrawn(samples, features, model, root, recipe)


def _check_conditions(samples: list[Sample], recipe: Recipe) -> None:
    """Refuse leagues and seasons by name of which nobody is there to learn from.

    Raises:
        ConfigError: says which there are.
    """
    for key, wanted in recipe.data.conditions.items():
        there = {getattr(s, key[:-1]) for s in samples}
        if nobody := [name for name in wanted if name not in there]:
            raise ConfigError(
                f"data.{key}: nobody in train is of '{nobody[0]}'; there are: {', '.join(sorted(there))}"
            )


def _session_of(recipe: Recipe) -> type[Session]:
    """What trains a recipe's model."""
    if recipe.model.frozen:
        return FrozenSession
    return TextSession if recipe.model.name in TEXT_MODELS else Session


def _left(folder: Folder, recipe: Recipe, resume: bool) -> str:
    """What an interrupted run leaves, and how to go on."""
    same = "the same command" if resume else "the same command without --no-resume"
    if not resume and folder.has_epochs and not folder.begun:
        but = " but for the lessons of its clip encoder" if recipe.transcripts.epochs else ""
        return (
            f"interrupted before the new run began: the earlier run in '{folder.path}' is untouched{but}. "
            "To start anew over it: the same command; to go on with it: without --no-resume"
        )
    if not folder.has_epochs:
        lessons, kept = folder.path / LESSONS / LESSONS_LAST, "Frames that were read are kept"
        if recipe.transcripts.epochs and lessons.exists():
            done = checkpoint.scalars_of(lessons)["epochs"]
            told = counted(recipe.transcripts.epochs, "pass", "passes")
            kept += f", and {done} of {told} over the clips of the lessons"
        return (
            f"interrupted before the end of the first epoch: '{folder.path}' has no checkpoint yet. "
            f"{kept}; {same} begins again after that"
        )
    done = checkpoint.scalars_of(folder.path / LAST)["epochs"]
    return (
        f"interrupted; {done} of {counted(recipe.train.epochs, 'epoch')} are kept in "
        f"'{folder.path / LAST}' (the best so far: '{folder.path / BEST}'). To go on after them: {same}"
    )


def _split(root: Path, split: str, recipe: Recipe) -> list[Sample]:
    samples = read_split(root, split, levels=recipe.data.levels, draw=recipe.data.draw)
    if not samples:
        raise NotFoundError(
            f"the split '{split}' of '{root}' has no subjects. Make splits with 'openbasket split' "
            "and the dataset with 'openbasket build'"
        )
    if all(level is None for s in samples for level in s.levels):
        raise BadInputError(
            [Problem(f"split '{split}' of {root}", None, None, "no label at all", "some labels")]
        )
    return samples
