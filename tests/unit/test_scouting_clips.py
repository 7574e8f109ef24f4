"""Models of sets of clips on videos whose clips no table tells: training, prediction, report cards."""

from __future__ import annotations

import json
import os
import shutil

import av
import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from training_data import OWN, some_levels, write_splits
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.dataset.clips import clips_of
from openbasket.dataset.frame_cache import cache_folder, cache_frames
from openbasket.dataset.reader import read_split
from openbasket.dataset.rendered import load_benchmark, make
from openbasket.errors import ConfigError, VideoError
from openbasket.models import create_model
from openbasket.scouting import evidence
from openbasket.scouting.card import make_card
from openbasket.scouting.evidence import influence
from openbasket.scouting.page import write_page
from openbasket.skills import SKILL_KEYS
from openbasket.training import loop, predict
from openbasket.training.building import build_model, load_start
from openbasket.training.config import load_recipe, recipe_text
from openbasket.training.data import even_clips
from openbasket.training.rating import Rater
from openbasket.workspace import Workspace

TINY = [
    "transcripts.epochs=0",
    "model.frozen=false",
    "data.frames=12",
    "data.size=32",
    "data.short_side=32",
    "train.epochs=1",
    "train.batch_size=4",
]
#: Frames of the clips of each reel.
LENGTHS = ((75, 90, 65, 80), (100, 140, 90), (90,) * 8, (80, 80, 80, 80))


def film(path, lengths, seed=0):
    """Shots of coloured blocks that move slowly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number, frames in enumerate(lengths):
            rng = np.random.default_rng([seed, number])
            blocks = np.kron(rng.integers(30, 220, (8, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
            for step in range(frames):
                picture = np.roll(blocks, step // 2, axis=1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """The official layout alone, and a run of a model of sets of clips that learned from it."""
    root = tmp_path_factory.mktemp("official")
    write_splits(root, some_levels(4))
    for i, lengths in enumerate(LENGTHS):
        film(root / "BASKET" / "21-22" / "L" / f"s{i}_21_22.mp4", lengths, i)
    samples = read_split(root, "train")
    cache_frames(  # raw: without the loss of JPEG
        [s.video for s in samples], cache_folder(root), clips=clips_of(root, samples), format="raw",
        frames=2, short_side=32, within=(0.3, 0.9), workers=1, quiet=True,
    )  # fmt: skip
    loop.train(load_recipe("skillquery-tiny", TINY), root, root / "run", quiet=True, workers=1)
    return root


@pytest.fixture(scope="module")
def told(official):
    file = official / "predictions.parquet"
    predict.predict(official / "run", official, file, splits=["val"], quiet=True, workers=1)
    return pl.read_parquet(file)


def bounds(lengths):
    firsts = np.cumsum([0, *lengths[:-1]]).tolist()
    return tuple(zip(firsts, lengths, strict=True))


def test_clips_are_told_by_cuts_where_no_table_tells_them(official, capsys):
    samples = read_split(official, "train")
    found = clips_of(official, samples, folder=official / "cache")
    assert [found[s.video] for s in samples] == [bounds(lengths) for lengths in LENGTHS]
    assert "No table tells where the clips of 4 reels begin" in capsys.readouterr().err
    assert clips_of(official, samples, folder=official / "cache") == found
    assert "clips" not in capsys.readouterr().err, "they are kept"


def test_the_recipe_for_the_official_download_begins_with_converted_weights(official, tmp_path):
    torch.manual_seed(5)
    tower = create_model("siglip-tiny", num_frames=1, size=64).vision_model.state_dict()
    save_file(
        {f"vision_model.{name}": v for name, v in tower.items()}, tmp_path / "hub.safetensors"
    )
    recipe = tmp_path / "small.toml"
    recipe.write_text(
        recipe_text("skillquery-official").replace('"siglip"', '"siglip-tiny"')
        .replace("frames = 400", "frames = 12").replace("clips = 50", "clips = 6")
        .replace("width = 256", "width = 32, clips = 6").replace("224", "32")
    )  # fmt: skip
    words = ["weights", "convert", tmp_path / "hub.safetensors", "--recipe", recipe]
    words += ["--out", tmp_path / "ours.safetensors", "--num-frames", "12"]
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    assert "for clips of 2 frames of 32 x 32 pixels" in done.stdout
    small = ["train.epochs=1", "train.loader_workers=0", "train.learning_rate=1e-9"]
    given = load_recipe(recipe, [*small, f"model.weights={tmp_path}/ours.safetensors"])
    loop.train(given, official, tmp_path / "run", quiet=True, workers=1)
    facts = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert facts["weights"]["loaded"] == len(tower)
    assert facts["weights"]["missing"] == facts["weights"]["unexpected"] == []
    kept = load_file(tmp_path / "run" / "best.safetensors")
    name = "encoder.layers.0.mlp.fc1.weight"
    torch.testing.assert_close(
        kept[f"encoder.model.vision_model.{name}"], tower[name], atol=1e-6, rtol=0
    )
    frozen = ["model.frozen=true", "model.checkpointing=false"]
    alone = load_recipe(recipe, [*small, *frozen, f"model.weights={tmp_path}/ours.safetensors"])
    report = loop.train(alone, official, tmp_path / "heads", quiet=True, workers=1)
    assert report.features_computed == 8
    # of another size, and of another model
    words[-1] = "6"
    other = CliRunner().invoke(app, list(map(str, [*words, "--size", "64"])))
    assert other.exit_code == 0, other.output
    with pytest.raises(
        ConfigError, match=r"does not fit the model: encoder.model.*position_embedd"
    ):
        load_start(given, build_model(given))
    save_file({"heads.a": torch.ones(1), "stem.b": torch.ones(1)}, tmp_path / "ours.safetensors")
    with pytest.raises(ConfigError, match="holds none of its weights"):
        load_start(given, build_model(given))


def test_what_was_found_is_kept_until_the_video_changes(official, tmp_path):
    video = film(tmp_path / "BASKET" / "21-22" / "L" / "s0_21_22.mp4", (70, 80))
    write_splits(tmp_path, some_levels(1))
    samples = read_split(tmp_path, "train")
    ask = lambda: clips_of(tmp_path, samples, folder=tmp_path / "c", quiet=True)[video]  # noqa: E731
    assert ask() == ((0, 70), (70, 80))
    (note,) = (tmp_path / "c" / "cuts").iterdir()
    note.write_text(json.dumps(json.loads(note.read_text()) | {"clips": [[0, 9]]}))
    assert ask() == ((0, 9),)
    os.utime(video, ns=(1, 1))
    assert ask() == ((0, 70), (70, 80))
    for damage in ("[" * 100_000, "{}", "[]", '{"clips": [[NaN, 1]]}'):
        note.write_text(damage)
        assert ask() == ((0, 70), (70, 80))


def test_reels_that_cannot_be_read_are_named(official, tmp_path):
    write_splits(tmp_path, some_levels(3))
    film(tmp_path / "BASKET" / "21-22" / "L" / "s0_21_22.mp4", (70, 80))
    (tmp_path / "BASKET" / "21-22" / "L" / "s1_21_22.mp4").write_bytes(b"no video")
    film(tmp_path / "BASKET" / "21-22" / "L" / "s2_21_22.mp4", (70, 80))
    with pytest.raises(VideoError, match=r"1 of 3 videos cannot be used:\n.*s1_21_22"):
        loop.train(
            load_recipe("skillquery-tiny", TINY), tmp_path, tmp_path / "run", quiet=True, workers=1
        )


@pytest.mark.parametrize("number", range(4))
def test_a_card_says_what_predict_says(official, told, number):
    video = official / "BASKET" / "21-22" / "L" / f"s{number}_21_22.mp4"
    card = make_card(video, official / "run", data_root=official, evidence=False, quiet=True)
    assert len(card.clips) == len(LENGTHS[number])
    (sample,) = [s for s in read_split(official, "val") if s.video == video]
    mine = told.filter(pl.col("subject_id") == sample.subject_id)
    mine = mine.join(pl.DataFrame({"skill": SKILL_KEYS, "n": range(20)}), on="skill").sort("n")
    rows = mine.select("p0", "p1", "p2", "p3", "p4").to_numpy()
    np.testing.assert_allclose([s.probabilities for s in card.skills], rows, atol=1e-6)
    skipped = any("saw 6 of 8 parts" in note for note in card.notes)
    assert skipped == (len(LENGTHS[number]) > 6)


def test_an_unknown_video_has_a_card_with_evidence(official, tmp_path):
    video = film(tmp_path / "v.mp4", (90,) * 8, 7)
    card = make_card(video, official / "run", halves=64, quiet=True)
    assert len(card.clips) == 8
    assert any("7 cuts" in note for note in card.notes), card.notes
    assert not any("No evidence" in note for note in card.notes)
    evidence = [clip for s in card.skills for clip in s.evidence]
    assert {clip.clip for clip in evidence} <= set(even_clips(8, 6))
    for clip in evidence:
        assert clip.start_s == card.clips[clip.clip].start_s
    plain = make_card(video, official / "run", evidence=False, quiet=True)
    assert plain.clips == card.clips, (
        "such a model needs its clips, whether evidence is wanted or not"
    )
    assert [s.probabilities for s in plain.skills] == [s.probabilities for s in card.skills]


@pytest.mark.parametrize("evidence", [True, False])
def test_a_truncated_video_is_told(official, tmp_path, evidence):
    whole = film(tmp_path / "v.mkv", (90,) * 5, 3).read_bytes()
    video = tmp_path / "truncated.mkv"
    video.write_bytes(whole[: len(whole) * 3 // 5])
    card = make_card(video, official / "run", halves=16, evidence=evidence, quiet=True)
    assert card.duration_s == pytest.approx(15.0, abs=0.1)
    assert card.clips[-1].end_s < 12
    assert any("of 15.0 s: the file may be truncated" in note for note in card.notes)


def test_a_reel_of_a_dataset_has_the_clips_of_its_table(official, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "LEAST", 0.0)  # a model that has hardly learned says little
    ws = Workspace(finished / "ws")
    path, clips = (
        ws.read("reels").filter(pl.col("draw") == 0).group_by("path").len().sort("path").row(0)
    )
    card = make_card(
        finished / "ws" / path, official / "run", data_root=finished / "ws", halves=16, quiet=True
    )
    assert len(card.clips) == clips
    assert all(clip.shows for s in card.skills for clip in s.evidence)
    # beside what a clip adds stands how much the skill's query looks at it
    looked = [clip.attention for s in card.skills for clip in s.evidence]
    assert looked
    assert all(0 < share < 1 for share in looked)
    write_page(card, tmp_path / "card.html")
    page = (tmp_path / "card.html").read_text()
    assert f"attention {100 * looked[0]:.1f} %" in page
    assert "looks at is this clip" in page


@pytest.fixture(scope="module")
def reel():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 32, 32, 3)).astype(np.uint8)


def test_clips_that_are_not_shown_are_as_if_they_were_not_there(official, reel):
    rater = Rater(official / "run", device="cpu")
    rate = rater.see(reel).rate
    shown = np.array([[1, 1, 1, 1, 1, 1], [1, 0, 1, 0, 0, 1]], bool)
    fewer = reel.reshape(6, 2, 32, 32, 3)[shown[1]].reshape(6, 32, 32, 3)
    np.testing.assert_allclose(rate(shown), [rater.rate([r])[0] for r in (reel, fewer)], atol=1e-5)
    attended = rater.see(fewer).attention()
    assert attended.shape == (20, 6)
    assert (attended[:, 3:] == 0).all()
    np.testing.assert_allclose(attended.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("clips", [5, 6, 7])
def test_that_more_clips_are_shown_is_no_evidence(clips):
    """A model that grows surer with each clip, whichever, has no evidence in any."""

    def rate(shown):
        return np.repeat(0.2 + 0.05 * shown.sum(1)[:, None, None], 20, 1).repeat(5, 2)

    found = influence(rate, clips, [0] * 20, halves=64)
    np.testing.assert_allclose(found.values, 0, atol=1e-9)


def test_a_run_that_is_told_by_transcripts_rates_no_video(official, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(official / "run", run)
    facts = json.loads((run / "recipe.json").read_text())
    facts["recipe"]["model"] |= {"frozen": True, "weights": "encoder.safetensors"}
    facts["recipe"]["transcripts"]["told"] = ["part"]
    (run / "recipe.json").write_text(json.dumps(facts))
    with pytest.raises(ConfigError, match="told answers by transcripts"):
        Rater(run, device="cpu")


def test_a_card_tells_the_model_its_league_and_says_so(official, tmp_path):
    settings = [
        "transcripts.epochs=0", "transcripts.redraw=0", f"model.weights={official / 'run' / 'best.safetensors'}",
        "data.leagues=['L']", "train.epochs=4", "train.learning_rate=0.05", *TINY[2:-2],
    ]  # fmt: skip
    loop.train(
        load_recipe("skillquery-tiny", settings), official, tmp_path / "run", quiet=True, workers=1
    )
    predict.predict(
        tmp_path / "run", official, tmp_path / "p.parquet", splits=["val"], quiet=True, workers=1
    )
    sample = read_split(official, "val")[0]

    def card(**of):
        made = make_card(sample.video, tmp_path / "run", evidence=False, quiet=True, **of)
        return np.array([s.probabilities for s in made.skills]), " ".join(made.notes)

    rows = pl.read_parquet(tmp_path / "p.parquet").filter(subject_id=sample.subject_id)
    rows = rows.join(pl.DataFrame({"skill": SKILL_KEYS, "n": range(20)}), on="skill").sort("n")
    wanted = rows.select("p0", "p1", "p2", "p3", "p4").to_numpy()
    for of in ({"data_root": official}, {"league": "L"}):
        rated, notes = card(**of)
        np.testing.assert_allclose(rated, wanted, atol=1e-6)
        assert "was told that the reel is of the league L." in notes
    for of in ({}, {"league": "l"}):
        rated, notes = card(**of)
        assert np.abs(rated - wanted).max() > 1e-4
        assert "is of a league that it does not know." in notes


def test_removing_the_evidence_changes_a_set_model_more_than_removing_others(official, reel):
    rate = Rater(official / "run", device="cpu").see(reel).rate
    everything = np.ones((1, 6), bool)
    told = rate(everything)[0]
    levels = told.argmax(axis=1)
    found = influence(rate, 6, levels.tolist(), halves=64)

    def lost(skill, gone):
        shown = everything.copy()
        shown[0, gone] = False
        return told[skill, levels[skill]] - rate(shown)[0, skill, levels[skill]]

    rng = np.random.default_rng(0)
    pairs = []
    for skill in range(20):
        best = found.strongest(skill)
        others = [lost(skill, rng.choice(6, len(best), replace=False)) for _ in range(10)]
        pairs.append((lost(skill, best), np.mean(others)))
    more = np.array([mine - chance for mine, chance in pairs])
    assert more.mean() > 3 * more.std() / np.sqrt(20)


def test_a_model_that_cannot_do_without_clips_is_told(official, tmp_path):
    recipe = load_recipe(
        "tiny",
        [
            *OWN,
            "model.name=training_models:Plain",
            "data.sampling=clips",
            "data.clips=3",
            "train.epochs=1",
        ],
    )
    run = tmp_path / "run"
    for split in ("train", "val"):
        assert read_split(official, split)
    loop.train(recipe, official, run, quiet=True, workers=1)
    video = official / "BASKET" / "21-22" / "L" / "s1_21_22.mp4"
    card = make_card(video, run, halves=8, quiet=True)
    assert any("does not say what it makes of fewer clips" in note for note in card.notes)
    with pytest.raises(ConfigError, match=r"not finite.*sets of clips alone"):
        make_card(film(tmp_path / "two.mp4", (160, 170)), run, quiet=True)


def test_drawn_reels_tell_their_clips_without_a_table(tmp_path):
    make(Workspace(tmp_path, create=True), load_benchmark("mini"), quiet=True)
    samples = read_split(tmp_path, "val")
    table = clips_of(tmp_path, samples)
    (tmp_path / "openbasket" / "reels.parquet").unlink()
    assert clips_of(tmp_path, samples, folder=tmp_path / "c", quiet=True, workers=1) == table
