"""Training reels drawn anew from the plays of a season, each shown by a clip like it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from openbasket.dataset.reader import Sample, read_split
from openbasket.models.questions import TARGETS
from openbasket.training.config import load_recipe
from openbasket.training.data import MISSING
from openbasket.training.loop import train
from openbasket.training.redraw import RedrawnFeatures, season_targets
from openbasket.training.transcripts import clip_targets

NAMES = list(TARGETS)


def told(*rows: dict[str, int]) -> np.ndarray:
    return np.array([[row.get(name, MISSING) for name in NAMES] for row in rows]).reshape(
        -1, len(NAMES)
    )


def person(name: str) -> Sample:
    return Sample(name, name, "L", "21-22", f"{name}.mp4", Path(f"{name}.mp4"), (1,) * 20)


#: Clips of two persons; the feature of clip n is (n, n), and b has but two clips.
SHOWN = [
    told({"part": 0, "play": 0, "side": 0}, {"part": 0, "play": 1}, {"part": 3, "play": 6}),
    told({"part": 0, "play": 0, "side": 2}, {"part": 1, "play": 4}),
]
FEATURES = torch.tensor([[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, torch.nan, torch.nan]])


def drawn(seasons: list[np.ndarray], share: float = 1.0, clips: int = 3) -> RedrawnFeatures:
    return RedrawnFeatures(
        [person("a"), person("b")], FEATURES, SHOWN, seasons, clips=clips, share=share, seed=0
    )


def clips_of(dataset: RedrawnFeatures, key: tuple[int, int]) -> list[float]:
    features, labels, index = dataset[key]
    assert labels.tolist() == [1] * 20
    assert index == key[1]
    return [float(x) for x in features.view(3, 2)[:, 0]]


def test_a_play_is_shown_by_a_clip_that_agrees_in_as_much_as_any_does() -> None:
    alike = {
        3.0: {"part": 0, "play": 0, "side": 2},  # the same in all
        1.0: {"part": 0, "play": 1, "side": 1},  # no such side; the same play
        4.0: {"part": 1, "play": 5},  # no such play; the same part
    }
    for clip, play in alike.items():
        dataset = drawn([told(play), told()])
        shown = [clips_of(dataset, (epoch, 0)) for epoch in range(5)]
        assert all(reel[0] == clip and np.isnan(reel[1:]).all() for reel in shown)
    shown = {clips_of(drawn([told({"part": 0, "play": 0}), told()]), (e, 0))[0] for e in range(20)}
    assert shown == {0.0, 3.0}  # of any person


def test_nobody_is_shown_in_a_part_that_no_clip_shows() -> None:
    dataset = drawn([told({"part": 5}, {"part": 3}), told({"part": 5})])
    assert clips_of(dataset, (0, 0))[0] == 2.0
    assert clips_of(dataset, (0, 1))[:2] == [3.0, 4.0]  # nothing to draw: the reel as it is


def test_each_epoch_has_another_draw_and_a_repeated_one_the_same() -> None:
    plays = told(*[{"part": n % 2, "play": 4 * (n % 2)} for n in range(40)])
    dataset = drawn([plays, plays])
    reels = [tuple(clips_of(dataset, (epoch, 0))) for epoch in range(8)]
    assert len(set(reels)) > 3
    assert reels == [tuple(clips_of(drawn([plays, plays]), (epoch, 0))) for epoch in range(8)]
    assert {clip for reel in reels for clip in reel} == {0.0, 3.0, 4.0}


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_share_says_how_many_are_drawn(share: float) -> None:
    plays = told(*[{"part": 1}] * 5)
    dataset = drawn([plays, plays], share)
    new = [clips_of(dataset, (epoch, 0)) == [4.0] * 3 for epoch in range(200)]
    assert np.mean(new) == pytest.approx(share, abs=0.1)


def test_seasons_hold_what_reels_show_and_more(root: Path) -> None:
    samples = read_split(root, "train")
    seasons, shown = season_targets(root, samples), clip_targets(root, samples)
    for season, reel in zip(seasons, shown, strict=True):
        plays = [tuple(row) for row in season]
        assert len(plays) >= len(reel)
        assert all(
            plays.count(row) >= list(map(tuple, reel)).count(row) for row in map(tuple, reel)
        )
    assert sum(map(len, seasons)) > sum(map(len, shown))
    assert len(season_targets(root, [*samples, person("nobody")])[-1]) == 0


def test_plays_are_found_by_the_id_as_events_spell_it(root: Path) -> None:
    samples = read_split(root, "train")
    spelled = [replace(s, player_id=s.player_id.upper()) for s in samples]
    assert {s.player_id for s in spelled}.isdisjoint(s.player_id for s in samples)
    for one, other in zip(
        season_targets(root, spelled), season_targets(root, samples), strict=True
    ):
        assert len(one)
        np.testing.assert_array_equal(one, other)


def test_training_with_it_ends_and_differs(root: Path, tmp_path: Path) -> None:
    lessons = ["transcripts.epochs=1", "train.epochs=2"]
    losses = {}
    for share in (0, 1):
        recipe = load_recipe("skillquery-tiny", [*lessons, f"transcripts.redraw={share}"])
        report = train(recipe, root, tmp_path / f"{share}", workers=1, quiet=True)
        losses[share] = [line["train_loss"] for line in report.history]
    assert np.isfinite(losses[1]).all()
    assert losses[0] != losses[1]
