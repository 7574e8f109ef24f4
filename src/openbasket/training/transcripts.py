"""Teach a clip encoder what is seen in a clip, from the transcript: kind, outcome, place, and the part in it.

Whoever builds a dataset has the events that its clips were cut around, so that a clip encoder can learn from
many clips what few reels with levels cannot teach it. Encoder and answers (``encoder.safetensors``) are for
``model.weights`` of a recipe of SkillQuery, whose set model gets the answers of each clip.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from openbasket.dataset.reader import Sample, read_split, read_splits
from openbasket.errors import ConfigError, NotFoundError
from openbasket.models import TEXT_MODELS
from openbasket.models.clip_encoder import TEAM_DIM, ClipAnswers
from openbasket.models.questions import ANSWERS, ATTACKING, PLACES, TARGETS
from openbasket.models.recurrence import known_by_recurrence
from openbasket.models.skillquery import SkillQuery, some_frames
from openbasket.progress import bar
from openbasket.tables import FILMED_KINDS
from openbasket.training import checkpoint
from openbasket.training.building import Start, build_model, load_start
from openbasket.training.config import Recipe, TrainConfig
from openbasket.training.data import (
    MISSING,
    ClipDataset,
    even_clips,
    of_persons,
    seed_of,
    stable_rng,
)
from openbasket.training.faults import batches as handed
from openbasket.training.faults import diverged, explained
from openbasket.training.optim import learning_rate, make_optimizer, set_learning_rate
from openbasket.training.processes import make_accelerator
from openbasket.training.reading import lesson_draws, read_frames, with_transcripts
from openbasket.training.run import FREE, LESSONS_LAST, Folder, differences, fingerprint
from openbasket.training.session import arithmetic
from openbasket.video.cache import CachedFrames
from openbasket.workspace import Workspace, sha256, write_json

__all__ = [
    "ENCODER",
    "FILLED",
    "PretrainReport",
    "clip_targets",
    "clip_teams",
    "pretrain",
    "tell",
    "told_hash",
    "told_plays",
]

#: The file of the encoder's weights, in the folder of its run.
ENCODER = "encoder.safetensors"

#: Columns of :func:`told_plays`, without nulls.
FILLED = [pl.col(name).fill_null(MISSING).cast(pl.Int64) for name in TARGETS]
#: Targets of which more is known once the clips of a reel are seen together.
_RECURRING = ("team", "part")
_TEAM_SCALE = 12.0
_TEAMS = ["home_team_id", "away_team_id"]
_EDGES_M = (1.5, 4.0, 6.6)
_SIDE_M = 1.5


@dataclass(frozen=True, slots=True)
class PretrainReport:
    """What came of teaching a clip encoder.

    Args:
        encoder: file of its weights.
        epochs: done, in all sessions together.
        clips: learnt from.
        val_clips: clips of other persons that it is measured by.
        accuracy: of each of :data:`TARGETS` on these, at the best epoch.
        recurring: of the player's team and part, once it is known which team is in all clips of a reel.
        chance: of the most frequent answer.
        seconds: wall time of all sessions together, up to the last whole epoch.
        start: of the weights that it began with; ``None`` of fresh ones.
    """

    encoder: Path
    epochs: int
    clips: int
    val_clips: int
    accuracy: dict[str, float]
    recurring: dict[str, float]
    chance: dict[str, float]
    seconds: float
    start: Start | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self) | {"encoder": str(self.encoder)}


class _Clips(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Single clips ``(3, T, size, size)`` and their targets ``(len(TARGETS) + 2,)``, by ``(epoch, index)``.

    Args:
        recipe: of the lessons.
        entries: frames of reels.
        targets: of the clips of each; the last two are the numbers of the home and the away team.
        taught: which of them there are; the others are left out.
        augment: vary the light.
    """

    def __init__(
        self,
        recipe: Recipe,
        entries: Sequence[CachedFrames],
        targets: Sequence[NDArray[np.int64]],
        taught: Sequence[NDArray[np.bool_]],
        *,
        augment: bool,
    ) -> None:
        self._each = recipe.data.frames // recipe.data.clips
        self._entries = entries
        self.targets = targets
        self._index = [
            (reel, int(clip)) for reel, own in enumerate(taught) for clip in np.flatnonzero(own)
        ]
        single = recipe.data.model_copy(update={"frames": self._each, "clips": 1})
        self._views = ClipDataset((), (), single)
        self._augment = augment
        self._seed = recipe.train.seed

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        epoch, index = key
        reel, clip = self._index[index]
        frames = self._entries[reel].read(range(clip * self._each, (clip + 1) * self._each))
        target = torch.from_numpy(self.targets[reel][clip])
        if self._augment:
            rng = stable_rng("transcripts", self._seed, epoch, index)
            light = rng.uniform(0.8, 1.2, 3)
            frames = np.clip(frames * light, 0, 255).astype(np.uint8)
        return self._views.whole(frames).transpose(0, 1).contiguous(), target


@dataclass(frozen=True, slots=True)
class _Shown:
    """Reels of one draw, and what the transcript tells of the clips of each."""

    draw: int
    samples: Sequence[Sample]
    told: list[pl.DataFrame]


class _Learner(nn.Module):
    """A clip encoder and the heads that question it, also for which of so many teams play."""

    def __init__(self, model: SkillQuery, answers: ClipAnswers, teams: int) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.answers = answers
        self.known_teams = nn.Parameter(torch.randn(teams, TEAM_DIM))
        self._frames = model.frames_shown

    def forward(self, clips: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Logits of each target, and vectors of the teams ``(B, 2, TEAM_DIM)``."""
        features = self.encoder(some_frames(clips, self._frames))
        return self.answers(features), self.answers.who_plays(features)

    def loss(self, clips: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Of :data:`TARGETS` and, in two columns more, the home and the away team."""
        answers, teams = self(clips)
        alike = _TEAM_SCALE * teams @ F.normalize(self.known_teams, dim=1).T
        return _loss([*answers, *alike.unbind(1)], targets)

    def clip_gradients(self, most: float) -> None:
        """Bound the gradient of the reader and of the teams' vectors apart from that of all else."""
        named = list(self.named_parameters())
        reading = [p for name, p in named if "reader" in name or "teams" in name]
        reads = {id(parameter) for parameter in reading}
        for part in (reading, [p for _, p in named if id(p) not in reads]):
            nn.utils.clip_grad_norm_(part, most)

    def taught(self) -> nn.Module:
        """What a model can begin with."""
        return nn.ModuleDict({"encoder": self.encoder, "answers": self.answers})


def pretrain(
    recipe: Recipe,
    data_root: Path,
    out_dir: Path,
    *,
    frames_dir: Path | None = None,
    resume: bool = True,
    workers: int | None = None,
    quiet: bool = False,
) -> PretrainReport:
    """Teach the clip encoder of a recipe from the transcripts of ``train``, as ``recipe.transcripts`` says.

    It begins with ``recipe.model.weights``, if there are any: an encoder of earlier lessons, which learns
    more, or the checkpoint of a registered model. A run that was stopped goes on after its last whole epoch.

    Args:
        recipe: of a :class:`~openbasket.models.skillquery.SkillQuery`, with ``data.sampling = "clips"``.
        data_root: a dataset with tables ``reels`` and ``events``.
        out_dir: folder of the run.
        frames_dir: a run's folder, whose cache of frames is used where the dataset has none; that of
            ``out_dir`` by default.
        resume: go on with what lies in ``out_dir``; if false, start anew over it.
        workers: processes that draw or decode frames.
        quiet: show no progress.

    Raises:
        ConfigError: another model, no epochs, a folder of another run, or weights that do not fit.
        NotFoundError: splits without subjects, no table ``reels``, or no such weights.
    """
    began = time.monotonic()
    lessons = recipe.transcripts
    if not lessons.epochs:
        raise ConfigError(
            f"recipe '{recipe.name}' learns nothing from transcripts: set transcripts.epochs, and "
            "data.sampling = 'clips'"
        )
    given, recipe = recipe, _for_clips(recipe)
    accelerator = make_accelerator(recipe)
    set_seed(seed_of("pretrain", recipe.train.seed))
    model = None if recipe.model.name in TEXT_MODELS else build_model(recipe)
    if not isinstance(model, SkillQuery):
        raise ConfigError(f"model '{recipe.model.name}' has no clip encoder; allowed: skillquery")
    answers = model.answers = model.answers or ClipAnswers(*model.clip_features)
    Folder(out_dir).refuse_own(given.model.weights, ENCODER)
    start = load_start(given, model, may_lack=("answers.",), heads=False)
    own = recipe.data.draw
    wanted = [
        (draw, _samples(data_root, "train", draw, recipe))
        for draw in lesson_draws(data_root, recipe)
    ]
    wanted.append((own, _samples(data_root, "val", own, recipe)))
    *train, val = _told_clips(data_root, wanted)
    shown = {"train": train, "val": [val]}
    teams = _teams(shown["train"])
    targets = {split: _targets(part, teams) for split, part in shown.items()}
    taught = {
        "train": _taught(shown["train"], targets["train"], _of_others(data_root, recipe)),
        "val": [np.ones(len(reel), bool) for reel in targets["val"]],
    }
    if not any(clips.any() for clips in taught["train"]):
        raise NotFoundError(f"the transcripts of '{data_root}' tell nothing of any clip of train")
    everybody = [s for part in shown.values() for reels in part for s in reels.samples]
    data = told_hash(fingerprint(everybody, data_root), data_root)
    folder = Folder(out_dir)
    try:
        settings = {
            "recipe": recipe.model_dump(mode="json"), "data": data, "weights": start and start.sha256,
        }  # fmt: skip
        _claim(folder, recipe, settings, resume=resume)
        sets = {}
        for split, part in shown.items():
            entries = [
                entry
                for reels in part
                for entry in read_frames(
                    reels.samples, data_root, frames_dir or out_dir, _of_draw(recipe, reels.draw),
                    workers=workers, quiet=quiet,
                )
            ]  # fmt: skip
            sets[split] = _Clips(
                recipe, entries, targets[split], taught[split], augment=split == "train"
            )
        set_seed(seed_of("teams", recipe.train.seed))  # whatever heads the model has
        learner = _Learner(model, answers, len(teams)).to(accelerator.device)
        state = _learn(
            learner, sets["train"], sets["val"], recipe, accelerator, out_dir, began, quiet
        )
        report = PretrainReport(
            out_dir / ENCODER, state["epochs"], len(sets["train"]), len(sets["val"]),
            {name: state["best"][name] for name in TARGETS},
            {name: state["best"][f"{name}, by recurrence"] for name in _RECURRING},
            _chance(sets["val"]),
            state.get("seconds", 0.0),
            start,
        )  # fmt: skip
        write_json(
            out_dir / "pretrain_report.json", report.to_json() | {"history": state["history"]}
        )
        return report
    finally:
        folder.release()


def _learn(
    learner: _Learner,
    train: _Clips,
    val: _Clips,
    recipe: Recipe,
    accelerator: Accelerator,
    out_dir: Path,
    began: float,
    quiet: bool,
) -> dict[str, Any]:
    """Do the epochs that are left, keep the encoder of the best one, and return the state of the last."""
    lessons, device = recipe.transcripts, accelerator.device
    optimizer = make_optimizer(learner, recipe.train)
    state: dict[str, Any] = {"epochs": 0, "best": None, "history": []}
    if (out_dir / LESSONS_LAST).exists():
        state = checkpoint.load(out_dir / LESSONS_LAST, learner, optimizer)
    updates = max(1, min(lessons.clips or len(train), len(train)) // lessons.batch_size)
    spent = state.get("seconds", 0.0) - began
    total, done = lessons.epochs * updates, state["epochs"] * updates
    with (
        bar("Learning plays", total, done=done, quiet=quiet) as step,
        explained(
            "learning plays",
            lessons.batch_size,
            go_on="The same command goes on",
            setting="transcripts.batch_size",
        ),
    ):
        for epoch in range(state["epochs"], lessons.epochs):
            order = stable_rng("clips", recipe.train.seed, epoch).permutation(len(train))
            order = order[: updates * lessons.batch_size]
            set_seed(seed_of("clips", recipe.train.seed, epoch))
            learner.train()
            for number, (clips, targets) in enumerate(_batches(train, epoch, order, recipe)):
                rate = learning_rate(epoch * updates + number, updates, recipe.train)
                set_learning_rate(optimizer, rate)
                with arithmetic(accelerator, recipe):
                    loss = learner.loss(clips.to(device), targets.to(device))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                learner.clip_gradients(1.0)
                optimizer.step()
                value = loss.item()
                if not math.isfinite(value):
                    where = f"in lesson {epoch}, at its update {number}"
                    raise diverged("loss", value, where, slower="transcripts.learning_rate")
                step(1, f"epoch {epoch + 1}/{lessons.epochs}, loss {value:.3f}")
            found = _measured(learner, val, recipe)
            mean = float(np.mean([found["play"], found["part, by recurrence"]]))
            state["history"].append({"epoch": epoch, **found})
            if state["best"] is None or mean >= state["best"]["mean"]:
                state["best"] = {"mean": mean, **found}
                checkpoint.save_weights(out_dir / ENCODER, learner.taught(), state["best"])
            state |= {"epochs": epoch + 1, "seconds": spent + time.monotonic()}
            checkpoint.save(out_dir / LESSONS_LAST, learner, optimizer, state)
    return state


def clip_targets(root: Path, samples: Sequence[Sample], draw: int = 0) -> list[NDArray[np.int64]]:
    """What the transcript says of each clip of each subject's reel.

    Args:
        root: the dataset.
        samples: subjects.
        draw: of the reels.

    Returns:
        ``(clips, len(TARGETS))`` of each subject: number of the answer, :data:`MISSING` where it has none.

    Raises:
        NotFoundError: no table ``reels``, or ``events``.
    """
    (shown,) = _told_clips(root, [(draw, samples)])
    return [clips.select(*TARGETS).to_numpy() for clips in shown.told]


def clip_teams(root: Path, samples: Sequence[Sample], draw: int = 0) -> list[list[tuple[str, str]]]:
    """Home and away team of the game of each clip of each subject's reel; see :func:`clip_targets`."""
    (shown,) = _told_clips(root, [(draw, samples)])
    return [clips.select(_TEAMS).rows() for clips in shown.told]


def _told_clips(root: Path, wanted: Sequence[tuple[int, Sequence[Sample]]]) -> list[_Shown]:
    """What :func:`told_plays` says of the clips of subjects' reels of some draws, in their order."""
    workspace = with_transcripts(root)
    asked = pl.concat(
        pl.DataFrame({"draw": draw, "subject_id": [s.subject_id for s in samples]})
        for draw, samples in wanted
    )
    table = workspace.read("reels")
    reels = table.join(
        asked.cast({"draw": table["draw"].dtype}), on=["draw", "subject_id"], how="semi"
    )
    plays = [
        told_plays(
            workspace.read("events", league, season).filter(
                pl.col("game_id").is_in(reels["game_id"].unique().implode())
            ),
            workspace.read("games", league, season),
        )
        for league, season in workspace.seasons("events")
    ]
    told = reels.join(pl.concat(plays), on=["game_id", "event_id"], how="left").sort("position")
    parted = told.with_columns(FILLED).partition_by("draw", "subject_id", as_dict=True)
    for draw, samples in wanted:
        missing = sorted(s.subject_id for s in samples if (draw, s.subject_id) not in parted)
        if missing:
            raise NotFoundError(f"table 'reels' tells of no reel of '{missing[0]}' in draw {draw}")
    return [
        _Shown(draw, samples, [parted[draw, s.subject_id] for s in samples])
        for draw, samples in wanted
    ]


def told_hash(data: str, root: Path) -> str:
    """SHA-256 of a fingerprint of subjects and videos, and of the tables that tell what their clips show.

    Raises:
        NotFoundError: no table ``reels``, ``events`` or ``games``.
    """
    workspace = with_transcripts(root)
    files = [workspace.table_path("reels")]
    files += [
        workspace.table_path(name, league, season)
        for name in ("events", "games")
        for league, season in workspace.seasons(name)
    ]
    return hashlib.sha256("\n".join([data, *map(sha256, files)]).encode()).hexdigest()


def tell(
    features: torch.Tensor,
    model: nn.Module,
    root: Path,
    samples: Sequence[Sample],
    recipe: Recipe,
) -> torch.Tensor:
    """Put the truth in the place of the answers ``recipe.transcripts.told``, where the transcript knows it.

    Args:
        features: of a SkillQuery whose tokens end in answers, ``(N, clips x F)``.
        model: that SkillQuery.
        root: the dataset.
        samples: whose reels they are.
        recipe: of the run.

    Raises:
        ConfigError: a model that gives no answers.
        NotFoundError: the dataset has no transcripts.
    """
    wanted = recipe.transcripts.told
    if not isinstance(model, SkillQuery) or model.answers is None:
        raise ConfigError(
            "transcripts.told needs a skillquery with model.options.tokens = 'answers' or 'both'"
        )
    told = features.view(len(features), model.clips, -1).clone()
    first = told.shape[2] - 2 * TEAM_DIM - ANSWERS
    for clips, targets in zip(told, clip_targets(root, samples, recipe.data.draw), strict=True):
        for name in wanted:
            seen = targets[even_clips(len(targets), model.clips)]
            answer = torch.from_numpy(seen[:, list(TARGETS).index(name)])
            at = torch.arange(len(answer))[answer != MISSING]
            part = clips[:, first:][:, PLACES[name]]
            part[at] = F.one_hot(answer[at], part.shape[1]).to(part.dtype)
    return told.flatten(1)


def told_plays(events: pl.DataFrame, games: pl.DataFrame) -> pl.DataFrame:
    """``game_id, event_id``, the answer to each target, and the teams, for each event of a player."""
    kind, made = pl.col("kind"), pl.col("made").fill_null(False)
    shot = kind == "field_goal"
    games = games.select("game_id", "home_team_id", "away_team_id", "periods")
    events = events.join(games, on="game_id", how="left")
    at_home = pl.col("team_id") == pl.col("home_team_id")
    with_ball, without = (
        kind.is_in(list(ATTACKING)),
        kind.is_in(["defensive_rebound", "steal", "block"]),
    )
    # a foul at whose moment its player loses the ball is one of the team that has it; many providers make two
    # plays of that
    moment = ["game_id", "period", "clock_s", "player_id"]
    lost = events.filter(kind == "turnover").select(moment).unique()
    of_attackers = (
        events.filter(kind == "foul").join(lost, on=moment, how="semi").select("game_id", "play_id")
    )
    events = events.join(
        of_attackers.unique().with_columns(by_attacker=True), on=["game_id", "play_id"], how="left"
    )
    whole = events.group_by("game_id", "play_id").agg(
        offence=pl.coalesce(
            at_home.filter(with_ball & (kind != "foul_drawn")).first(),
            (~at_home).filter(without).first(),
            at_home.filter((kind == "foul") & pl.col("by_attacker")).first(),
            at_home.filter(kind == "foul_drawn").first(),
        ),
        kinds=kind.unique(),
        shot_value=pl.col("value").filter(shot).first(),
        shot_made=made.filter(shot).first(),
        free_made=made.filter(kind == "free_throw").first(),
        shot_contested=pl.col("contested").filter(shot).first(),
        x=pl.col("x_m").filter(shot).first(),
        y=pl.col("y_m").filter(shot).first(),
    )
    has = {name: pl.col("kinds").list.contains(name) for name in FILMED_KINDS}
    three = pl.col("shot_value").fill_null(2) == 3
    play = (
        pl.when(has["field_goal"]).then(three * 2 + (~pl.col("shot_made")).cast(pl.Int64))
        .when(has["free_throw"]).then(4 + (~pl.col("free_made")).cast(pl.Int64))
        .when(has["offensive_rebound"]).then(6)
        .when(has["defensive_rebound"]).then(7)
        .when(has["turnover"] & ~has["steal"]).then(8)
        .when(has["steal"]).then(9)
        .when(has["foul"] | has["foul_drawn"]).then(10)
        .otherwise(11)
    )  # fmt: skip
    distance = (pl.col("x") ** 2 + pl.col("y") ** 2).sqrt()
    far = sum((distance > edge).cast(pl.Int64) for edge in _EDGES_M)
    sides = (pl.col("x") > -_SIDE_M).cast(pl.Int64) + (pl.col("x") > _SIDE_M).cast(pl.Int64)
    parts = {name: number for number, name in enumerate(FILMED_KINDS)}
    return (
        events.filter(kind.is_in(list(FILMED_KINDS)))
        .join(whole, on=["game_id", "play_id"])
        .select(
            "game_id",
            "event_id",
            play=play.cast(pl.Int64),
            part=kind.replace_strict(parts, return_dtype=pl.Int64),
            assisted=pl.when(pl.col("shot_made")).then(has["assist"].cast(pl.Int64)),
            blocked=pl.when(~pl.col("shot_made")).then(
                (has["block"] | has["blocked"]).cast(pl.Int64)
            ),
            contested=pl.col("shot_contested").cast(pl.Int64),
            distance=far,
            side=sides,
            team=(~at_home).cast(pl.Int64),
            half=(pl.col("period") * 2 > pl.col("periods")).cast(pl.Int64),
            offence=(~pl.col("offence")).cast(pl.Int64),
            home_team_id="home_team_id",
            away_team_id="away_team_id",
        )
    )


def _for_clips(recipe: Recipe) -> Recipe:
    """The recipe of the lessons: what of the reels' is of no matter is always the same."""
    lessons = recipe.transcripts
    train = TrainConfig(
        epochs=lessons.epochs, batch_size=lessons.batch_size, learning_rate=lessons.learning_rate,
        warmup_epochs=min(0.5, lessons.epochs / 4), schedule="cosine", seed=recipe.train.seed,
        fraction=recipe.train.fraction,
        loader_workers=recipe.train.loader_workers, precision=recipe.train.precision,
    )  # fmt: skip
    of_heads = SkillQuery.head_options - {"dropout"}
    options = {k: v for k, v in recipe.model.options.items() if k not in of_heads}
    network = {"frozen": False, "options": options, "weights": None}  # their hash is kept beside
    model = recipe.model.model_copy(update=network)
    data = recipe.data.model_copy(update={"leagues": (), "seasons": ()})
    lessons = lessons.model_copy(update={"redraw": 0.0, "told": ()})
    changed = {"train": train, "model": model, "data": data, "transcripts": lessons}
    return recipe.model_copy(update=changed)


def _of_draw(recipe: Recipe, draw: int) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"draw": draw})})


def _samples(root: Path, split: str, draw: int, recipe: Recipe) -> list[Sample]:
    samples = read_split(root, split, levels=recipe.data.levels, draw=draw)
    if split == "train":
        samples = of_persons(samples, recipe.train.fraction, recipe.train.seed)
    if not samples:
        raise NotFoundError(f"the split '{split}' of '{root}' has no subjects")
    return samples


def _teams(part: Sequence[_Shown]) -> dict[str, int]:
    """A number of each team that plays in these reels."""
    told = pl.concat([reel.select(_TEAMS) for reels in part for reel in reels.told])
    names = pl.concat([told[name] for name in _TEAMS]).drop_nulls().unique().sort()
    return {name: number for number, name in enumerate(names)}


def _targets(part: Sequence[_Shown], teams: dict[str, int]) -> list[NDArray[np.int64]]:
    """Targets of the clips of each reel, and the numbers of the two teams."""
    known = pl.col(_TEAMS).replace_strict(teams, default=MISSING, return_dtype=pl.Int64)
    return [reel.select(*TARGETS, known).to_numpy() for reels in part for reel in reels.told]


def _of_others(root: Path, recipe: Recipe) -> pl.Series:
    """Clips (``clip_id``) in reels of splits that are not learned from."""
    others = [
        sample.subject_id
        for split, part in read_splits(root, draw=recipe.data.draw)
        if split != "train"
        for sample in part
    ]
    reels = Workspace(root).read("reels").filter(pl.col("draw") == recipe.data.draw)
    return reels.filter(pl.col("subject_id").is_in(others))["clip_id"].unique()


def _taught(
    part: Sequence[_Shown], targets: Sequence[NDArray[np.int64]], others: pl.Series
) -> list[NDArray[np.bool_]]:
    """Which clips of each reel are learned from.

    Of each play of a player one; none that is in reels of others, or of which the transcript tells nothing.
    """
    told = [reel for reels in part for reel in reels.told]
    clips = pl.concat([r.select("subject_id", "game_id", "event_id", "clip_id") for r in told])
    first = pl.struct("subject_id", "game_id", "event_id").is_first_distinct()
    wanted = clips.select(first & ~pl.col("clip_id").is_in(others.implode())).to_series().to_numpy()
    wanted = wanted & (np.concatenate(targets) != MISSING).any(axis=1)
    return np.split(wanted, np.cumsum([len(reel) for reel in told])[:-1])


def _claim(folder: Folder, recipe: Recipe, settings: dict[str, Any], *, resume: bool) -> None:
    """Keep others out of the folder; refuse one of other settings, or start anew over it."""
    folder.claim(recipe, settings["data"], resume=False)
    if not resume:
        for name in (LESSONS_LAST, ENCODER):
            (folder.path / name).unlink(missing_ok=True)
    path = folder.path / "pretrain.json"
    if (folder.path / LESSONS_LAST).exists():
        anew = "Start anew over it (--no-resume), or give another --out"
        for name in (path.name, ENCODER):
            if not (folder.path / name).is_file():
                raise ConfigError(f"'{folder.path}' holds lessons without '{name}'. {anew}")
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            earlier = Recipe.model_validate(before["recipe"]).model_dump(mode="json")
            data, begun = before["data"], before.get("weights")
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"'{path}' is damaged ({error}). {anew}") from None
        changed = differences(earlier, settings["recipe"], free=(*FREE, "model.partial"))
        if data != settings["data"]:
            changed.append("subjects, videos or transcripts have changed since")
        if begun != settings["weights"]:
            changed.append("model.weights, with which it began, have changed since")
        if changed:
            raise ConfigError(
                f"'{folder.path}' holds a clip encoder of other settings or other data: "
                f"{'; '.join(changed)}. Give another --out, or start anew over this one (--no-resume)"
            )
    write_json(path, settings)


def _batches(clips: _Clips, epoch: int, order: NDArray[np.int64], recipe: Recipe) -> Any:
    batch = recipe.transcripts.batch_size
    keys = [
        [(epoch, int(i)) for i in order[begin : begin + batch]]
        for begin in range(0, len(order), batch)
    ]
    loader = DataLoader(clips, batch_sampler=keys, num_workers=recipe.train.loader_workers)
    return handed(loader)


def _loss(answers: Sequence[torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
    """Sum over the targets that any clip of the batch can answer of their mean losses."""
    losses = [
        F.cross_entropy(
            answer.float(), targets[:, place], ignore_index=MISSING, label_smoothing=0.05
        )
        for place, answer in enumerate(answers)
        if (targets[:, place] != MISSING).any()
    ]
    return torch.stack(losses).sum()


def _measured(learner: _Learner, clips: _Clips, recipe: Recipe) -> dict[str, float]:
    """Accuracy of each target, and of what is known once the clips of a reel are seen together."""
    device = next(learner.parameters()).device
    answered, teams, truth = [], [], []
    learner.eval()
    with torch.inference_mode():
        for pictures, targets in _batches(clips, 0, np.arange(len(clips)), recipe):
            answers, playing = learner(pictures.to(device))
            answered.append(torch.cat([a.float().softmax(1) for a in answers], 1).cpu())
            teams.append(playing.cpu())
            truth.append(targets)
        told, targets = torch.cat(answered), torch.cat(truth)
        reels = [len(own) for own in clips.targets]
        together = [
            known_by_recurrence(one[None], who[None], torch.ones(1, len(one), dtype=torch.bool))[0]
            for one, who in zip(
                torch.split(told, reels), torch.split(torch.cat(teams), reels), strict=True
            )
        ]
    found = _accuracy(told, targets)
    recurring = _accuracy(torch.cat(together), targets)
    return found | {f"{name}, by recurrence": recurring[name] for name in _RECURRING}


def _accuracy(told: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    """Of each target: how often the likeliest answer is the right one."""
    found = {}
    for number, (name, place) in enumerate(PLACES.items()):
        asked = targets[:, number] != MISSING
        right = told[asked, place].argmax(1) == targets[asked, number]
        found[name] = float(right.float().mean()) if len(right) else 0.0
    return found


def _chance(clips: _Clips) -> dict[str, float]:
    """Share of the most frequent answer."""
    whole = np.concatenate(clips.targets)
    found = {}
    for place, name in enumerate(TARGETS):
        known = whole[whole[:, place] != MISSING, place]
        found[name] = float(np.bincount(known).max() / len(known)) if len(known) else 0.0
    return found
