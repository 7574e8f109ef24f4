"""Report cards: evidence that holds, probabilities that are calibrated, limits that are told."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict

import av
import numpy as np
import polars as pl
import pytest
from training_data import OWN, SMALL, write_dataset
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.errors import (
    BadInputError,
    ConfigError,
    NotFoundError,
    OpenBasketError,
    UnknownNameError,
    VideoError,
)
from openbasket.scouting.card import make_card
from openbasket.scouting.charts import write_picture
from openbasket.scouting.cohort import read_cohort
from openbasket.scouting.evidence import influence, left_out, pool_size, showing
from openbasket.scouting.page import write_page
from openbasket.skills import SKILLS
from openbasket.training import calibration, loop, predict
from openbasket.training.config import load_recipe
from openbasket.training.rating import Rater
from openbasket.video.write import VideoWriter
from openbasket.workspace import Workspace, sha256

FRAMES = 8


def bright(told):
    """A model that tells level 4 of ten skills by the light of the pictures, and nothing else."""
    share = np.array([clip.mean() / 255 for clip in told])
    out = np.full((len(told), 20, 5), 0.2)
    out[:, :10, 4] = share[:, None]
    out[:, :10, :4] = ((1 - share) / 4)[:, None, None]
    return out


def pool_of(lights):
    held = pool_size(FRAMES, len(lights))
    return [np.full((held, 4, 4, 3), light, np.uint8) for light in lights]


def weighed(rate, pool, levels, **options):
    return influence(showing(rate, pool, FRAMES), len(pool), levels, **options)


LIGHTS = [20] * 20
for number in (2, 7, 13):
    LIGHTS[number] = 250


def test_the_clips_that_make_the_rating_are_found():
    found = weighed(bright, pool_of(LIGHTS), [4] * 20, halves=400)
    assert sorted(found.strongest(0)) == [2, 7, 13]
    others = np.delete(found.values[:, 0], [2, 7, 13])
    assert found.values[[2, 7, 13], 0].min() > 2 * np.abs(others).max()
    assert np.abs(found.values[:, 10:]).max() < 1e-12  # these skills say nothing about any clip


def test_removing_the_evidence_changes_the_prediction_more_than_removing_others():
    pool = pool_of(LIGHTS)
    found = weighed(bright, pool, [4] * 20, halves=200)
    whole = bright([left_out(pool, [], FRAMES)])[0, 0, 4]
    without = whole - bright([left_out(pool, found.strongest(0), FRAMES)])[0, 0, 4]
    rng = np.random.default_rng(1)
    others = [
        whole - bright([left_out(pool, rng.choice(20, 3, replace=False).tolist(), FRAMES)])[0, 0, 4]
        for _ in range(50)
    ]
    assert without > np.mean(others) + 3 * np.std(others) / np.sqrt(50)
    assert without > 0.1


def test_errors_tell_how_far_chance_goes():
    rng = np.random.default_rng(0)

    def noisy(told):
        out = np.full((len(told), 20, 5), 0.2)
        out[..., 4] = rng.uniform(0, 1, (len(told), 20))
        return out

    found = weighed(noisy, pool_of([9] * 10), [4] * 20, halves=400)
    beyond = np.abs(found.values) > 2 * found.errors
    assert 0.01 < beyond.mean() < 0.1  # 5 % by chance


def test_the_same_seed_gives_the_same_evidence():
    one, other = (weighed(bright, pool_of(LIGHTS), [4] * 20, halves=20, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(
    ("clips", "halves", "told"), [(1, 100, "at least 2 clips"), (5, 2, "at least 4")]
)
def test_evidence_needs_clips_and_halves(clips, halves, told):
    with pytest.raises(ConfigError, match=told):
        weighed(bright, pool_of([1] * clips), [0] * 20, halves=halves)


def test_the_temperature_of_a_model_that_is_too_sure_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (400, 20, 5))
    right = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = (rng.random((400, 20, 1)) > right.cumsum(-1)).sum(-1).astype(float)
    labels[::7, 3] = np.nan
    sure = calibration.scaled(right, 0.4)
    assert calibration.fit_temperature(sure, labels) == pytest.approx(2.5, rel=0.05)
    np.testing.assert_array_equal(sure.argmax(-1), calibration.scaled(sure, 2.5).argmax(-1))
    np.testing.assert_allclose(calibration.scaled(sure, 2.5), right, atol=1e-6)


def test_a_temperature_needs_labels():
    with pytest.raises(NotFoundError, match="no labels"):
        calibration.fit_temperature(np.full((3, 20, 5), 0.2), np.full((3, 20), np.nan))


# -- the card --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("scouting")
    write_dataset(root, 4)
    loop.train(
        load_recipe("tiny", [*SMALL, "train.epochs=1"]), root, root / "run", quiet=True, workers=1
    )
    return root


@pytest.fixture(scope="module")
def video(trained):
    return film(trained / "reel.mp4", 40)


def film(path, seconds, width=96, height=64):
    with VideoWriter(path, width=width, height=height, preset="ultrafast") as writer:
        for i in range(30 * seconds):
            writer.write(np.full((height, width, 3), (3 * i) % 256, np.uint8))
    return path


def test_a_card_has_twenty_ratings_with_probabilities(trained, video):
    card = make_card(video, trained / "run", player="A & B", halves=16, clip_s=10.0, quiet=True)
    assert [s.key for s in card.skills] == [s.key for s in SKILLS]
    assert len(card.clips) == 4
    for s in card.skills:
        assert sum(s.probabilities) == pytest.approx(1)
        assert s.level == int(np.argmax(s.probabilities))
        assert s.clear == (max(s.probabilities) >= 1.35 / 5)
        assert all(clip.influence > 0 and clip.clip in range(4) for clip in s.evidence)
    assert "calibrated" in " ".join(card.notes)
    json.dumps(card.to_json())


def test_clips_are_told_by_cuts_where_nobody_knows_them(trained, video, capsys):
    card = make_card(video, trained / "run", halves=4)
    wraps = [n for n in range(1, 38 * 30) if (3 * n) % 256 < (3 * n - 3) % 256]
    assert [c.start_s for c in card.clips] == pytest.approx([0.0, *(n / 30 for n in wraps)])
    assert "cuts in the pictures" in " ".join(card.notes)
    told = capsys.readouterr().err
    for step in ("looking for cuts: 1,000 frames", "reading the video: ", "reading its clips: "):
        assert step in told
    plain = make_card(video, trained / "run", evidence=False, quiet=True)
    assert len(plain.clips) == 4, "the whole video is decoded for evidence alone"
    assert "parts of 10 s" in " ".join(plain.notes)


def test_a_device_that_is_not_there_is_refused(trained, video, monkeypatch):
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    with pytest.raises(ConfigError, match="auto, cpu"):
        Rater(trained / "run", device="gpu")
    with pytest.raises(ConfigError, match="auto, cpu, gpu"):
        Rater(trained / "run", device="tpu")
    assert Rater(trained / "run", device="cpu").device.type == "cpu"


def test_a_calibrated_run_says_so_and_keeps_its_levels(trained, video, tmp_path):
    before = make_card(video, trained / "run", evidence=False, quiet=True)
    found = calibration.calibrate(trained / "run", trained, quiet=True, workers=1)
    assert found.nll_after <= found.nll_before
    after = make_card(video, trained / "run", evidence=False, quiet=True)
    assert after.model["temperature"] == found.temperature
    assert [s.level for s in after.skills] == [s.level for s in before.skills]
    assert not any("not calibrated" in note for note in after.notes)
    held = json.loads((trained / "run" / "calibration.json").read_text())
    (trained / "run" / "calibration.json").write_text(json.dumps(held | {"weights": "0" * 64}))
    assert Rater(trained / "run").calibration is None  # other weights since
    (trained / "run" / "calibration.json").write_text('{"temperature": 0}')
    with pytest.raises(ConfigError, match="openbasket calibrate"):
        Rater(trained / "run")
    (trained / "run" / "calibration.json").unlink()


def test_a_run_is_not_calibrated_on_what_it_has_learned(trained):
    with pytest.raises(ConfigError, match="learned by heart"):
        calibration.calibrate(trained / "run", trained, split="train")


def test_percentiles_are_among_the_cohort(trained, video, tmp_path):
    cohort = tmp_path / "p.parquet"
    predict.predict(trained / "run", trained, cohort, quiet=True, workers=1)
    card = make_card(
        video,
        trained / "run",
        cohort=cohort,
        evidence=False,
        quiet=True,
        league="L",
        season="21-22",
    )
    assert card.cohort == "4 player-seasons of L 21-22 (no least minutes)"
    rows = Workspace.read_file("predictions", cohort)
    mean = pl.sum_horizontal(pl.col(f"p{i}") * i for i in range(5))
    others = rows.filter(pl.col("skill") == "steals").select(mean).to_series()
    mine = next(s for s in card.skills if s.key == "steals")
    assert mine.percentile == 100 * (others < mine.expected).mean()
    with pytest.raises(ConfigError, match="no subject of M"):
        make_card(video, trained / "run", cohort=cohort, evidence=False, quiet=True, league="M")
    Workspace.write_file("predictions", rows.with_columns(run=pl.lit("other")), cohort)
    with pytest.raises(BadInputError, match="predictions of run 'run'"):
        make_card(video, trained / "run", cohort=cohort, evidence=False, quiet=True)


def test_a_cohort_is_of_the_league_as_the_dataset_has_it(trained, tmp_path):
    """Not of every league whose name ends as that of the league does."""
    made = predict.predict(trained / "run", trained, tmp_path / "p.parquet", quiet=True, workers=1)
    other = pl.col("subject_id").str.replace("_L_", "_other_L_")
    both = pl.concat([made.frame, made.frame.with_columns(other)])
    Workspace.write_file("predictions", both, tmp_path / "p.parquet")
    of = (tmp_path / "p.parquet", Rater(trained / "run", device="cpu"), "L", "21-22")
    assert read_cohort(*of).who.startswith("8 player-seasons of L 21-22")  # by the ids alone
    assert read_cohort(*of, root=trained).who.startswith("4 player-seasons of L 21-22")


def cohort_of(card, path):
    """One subject whose probabilities are those of a card."""
    rows = [
        {"subject_id": "a_L_21_22", "skill": s.key, "model": "tiny_conv", "run": "run"}
        | {f"p{level}": p for level, p in enumerate(s.probabilities)}
        for s in card.skills
    ]
    columns = ["subject_id", "skill", "p0", "p1", "p2", "p3", "p4", "model", "run"]
    Workspace.write_file("predictions", pl.DataFrame(rows).select(columns), path)
    return path


def write_calibration(run, temperature):
    weights = sha256(run / "best.safetensors")
    held = calibration.Calibration(temperature, "val", 1, 1.0, 1.0, weights)
    (run / "calibration.json").write_text(json.dumps(asdict(held)))


def test_percentiles_compare_calibrated_levels_with_calibrated_ones(trained, video, tmp_path):
    plain = make_card(video, trained / "run", evidence=False, quiet=True)
    cohort = cohort_of(plain, tmp_path / "p.parquet")
    write_calibration(trained / "run", 4.0)
    try:
        card = make_card(video, trained / "run", cohort=cohort, evidence=False, quiet=True)
    finally:
        (trained / "run" / "calibration.json").unlink()
    assert card.skills[0].expected != pytest.approx(plain.skills[0].expected)
    assert [s.percentile for s in card.skills] == [50.0] * 20


def test_the_temperature_is_of_one_view_whatever_the_test_wants(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    record = json.loads((run / "recipe.json").read_text())
    record["recipe"]["test"] = {"temporal_views": 2, "spatial_views": 3}
    (run / "recipe.json").write_text(json.dumps(record))
    calibration.calibrate(run, trained, quiet=True, workers=1)
    one = predict.predict(
        run, trained, tmp_path / "p.parquet", splits=["val"], views=(1, 1), quiet=True, workers=1
    ).frame
    assert Workspace.read_file("predictions", run / "predictions-val.parquet").equals(one)


def test_runs_that_answer_in_text_are_refused_before_they_are_built(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    record = json.loads((run / "recipe.json").read_text())
    record["recipe"]["model"] = {"name": "llava_onevision", "weights": "not there"}
    (run / "recipe.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r"llava_onevision.*answers in text"):
        Rater(run)
    with pytest.raises(ConfigError, match=r"llava_onevision.*answers in text"):
        calibration.calibrate(run, trained, quiet=True)


def test_precision_is_that_of_the_recipe(trained, tmp_path):
    clips = [np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)]
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    plain = Rater(run).rate(clips)
    tables = [predict.predict(run, trained, tmp_path / "a.parquet", quiet=True, workers=1).frame]
    record = json.loads((run / "recipe.json").read_text())
    record["recipe"]["train"]["precision"] = "bf16"
    (run / "recipe.json").write_text(json.dumps(record))
    half = Rater(run).rate(clips)
    tables.append(
        predict.predict(run, trained, tmp_path / "b.parquet", quiet=True, workers=1).frame
    )
    assert 1e-6 < np.abs(half - plain).max() < 0.02
    one, other = (t.select("p0", "p1", "p2", "p3", "p4").to_numpy() for t in tables)
    assert 1e-6 < np.abs(one - other).max() < 0.02


def test_changed_code_of_ones_own_model_is_told(trained, tmp_path, capsys):
    run = tmp_path / "run"
    recipe = load_recipe("tiny", [*OWN, "train.epochs=1", "model.name=training_models:Plain"])
    loop.train(recipe, trained, run, quiet=True, workers=1)
    record = json.loads((run / "recipe.json").read_text())
    record["code"]["sha256"] = "0" * 64
    (run / "recipe.json").write_text(json.dumps(record))
    Rater(run)
    assert "is not as it was when the run was trained" in capsys.readouterr().err


def test_the_page_escapes_what_it_is_given_and_loads_nothing(trained, video, tmp_path):
    card = make_card(
        video, trained / "run", player="<script>alert(1)</script>", halves=8, quiet=True
    )
    text = write_page(card, tmp_path / "card.html").read_text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert "http://" not in text
    assert "https://" not in text
    assert text.count('class="skill"') == 20


@pytest.mark.parametrize(("ending", "head"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_the_card_is_a_picture_too(trained, video, tmp_path, ending, head):
    pytest.importorskip("matplotlib")
    card = make_card(video, trained / "run", player="$x_1$ & co", evidence=False, quiet=True)
    assert write_picture(card, tmp_path / f"c.{ending}").read_bytes().startswith(head)
    with pytest.raises(ConfigError, match=r"\.png or \.pdf"):
        write_picture(card, tmp_path / "c.gif")


def test_what_makes_a_rating_less_certain_is_said(trained, tmp_path):
    upright = film(tmp_path / "phone.mp4", 12, width=64, height=96)
    card = make_card(upright, trained / "run", evidence=False, quiet=True)
    assert any("upright (64x96)" in note for note in card.notes)
    assert any("2 clips" in note or "1 clip " in note for note in card.notes)


def test_bad_videos_and_runs_are_refused(trained, tmp_path):
    short = film(tmp_path / "short.mp4", 3)
    with pytest.raises(VideoError, match=r"lasts 3\.0 s"):
        make_card(short, trained / "run", quiet=True)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    with pytest.raises(VideoError):
        make_card(broken, trained / "run", quiet=True)
    with pytest.raises(VideoError, match=r"is a drawn reel.*openbasket predict"):
        make_card(tmp_path / "a.reel", trained / "run", quiet=True)
    with pytest.raises(VideoError, match="there is no video"):
        make_card(tmp_path / "none.mp4", trained / "run", quiet=True)
    with pytest.raises(NotFoundError, match="no run"):
        make_card(film(tmp_path / "v.mp4", 11), tmp_path, quiet=True)


def test_a_file_without_pictures_is_refused(trained, tmp_path):
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        for number in range(600):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            frame.sample_rate, frame.pts = 48_000, 1024 * number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match="no video"):
        make_card(sound, trained / "run", quiet=True)


def test_a_large_picture_is_rated_like_others(trained, tmp_path):
    large = tmp_path / "4k.mp4"
    with av.open(str(large), "w") as container:
        stream = container.add_stream("libx264", rate=2, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 3840, 2160, "yuv420p"
        for number in range(24):
            picture = np.full((2160, 3840, 3), 10 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    card = make_card(large, trained / "run", evidence=False, quiet=True)
    assert len(card.skills) == 20
    assert not any("picture" in note for note in card.notes)


def test_a_checkpoint_of_another_model_is_refused(trained, video, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    record = json.loads((run / "recipe.json").read_text())
    record["recipe"]["model"] = {"name": "tiny_conv", "options": {"width": 16}}
    (run / "recipe.json").write_text(json.dumps(record))
    with pytest.raises(OpenBasketError, match="holds the weights of another model"):
        make_card(video, run, quiet=True)
    (run / "best.safetensors").write_bytes(b"\x80\x04nothing")
    with pytest.raises(OpenBasketError, match=r"best\.safetensors"):
        make_card(video, run, quiet=True)


def test_a_dataset_tells_the_clips_the_player_and_what_is_shown(finished, tmp_path):
    ws = Workspace(finished / "ws")
    reels = ws.read("reels").filter(pl.col("draw") == 0)
    path, clips = reels.group_by("path").len().sort("path").row(0)
    card = make_card(
        finished / "ws" / path, finished / "run", data_root=finished / "ws", halves=8, quiet=True
    )
    assert len(card.clips) == clips
    subject = reels.filter(pl.col("path") == path)["subject_id"][0]
    row = ws.read("subjects").filter(pl.col("subject_id") == subject).row(0, named=True)
    assert (card.league, card.season) == (row["league"], row["season"])
    assert all(clip.shows for clip in card.clips)
    with pytest.raises(UnknownNameError, match="league"):
        make_card(
            finished / "ws" / path,
            finished / "run",
            data_root=finished / "ws",
            league="Nowhere",
            quiet=True,
        )


def test_a_skill_that_clips_do_not_show_is_told(trained, video):
    ws = Workspace(trained)
    rows = [
        {"skill": skill, "events": 50, "sampling": "uniform", "levels": 5, "learner": "ridge",
         "accuracy": share, "low": share - 0.01, "high": share + 0.01, "subjects": 9, "labels": 9,
         "split": "test", "labels_hash": "0" * 64}
        for skill, share in (("teamwork", 0.21), ("rebounds", 0.5))
    ]  # fmt: skip
    ws.write("ceiling", pl.DataFrame(rows))
    card = make_card(video, trained / "run", data_root=trained, evidence=False, quiet=True)
    by_key = {s.key: s for s in card.skills}
    assert not by_key["teamwork"].clear
    assert (
        "Not observable in 50 clips: who perceives all of them hits 21%"
        in by_key["teamwork"].certainty
    )
    assert by_key["teamwork"].verdict == "not observable"
    assert by_key["rebounds"].ceiling == 0.5
    assert by_key["rebounds"].verdict in ("not clear", *card.levels)
    assert "Not observable" not in by_key["rebounds"].certainty
    (trained / "openbasket" / "ceiling.parquet").unlink()


def test_a_temperature_at_its_bound_is_told(trained, video):
    kept = calibration.calibrate(trained / "run", trained, quiet=True, workers=1)
    path = trained / "run" / "calibration.json"
    try:
        path.write_text(json.dumps(asdict(kept) | {"temperature": 20.0}))
        notes = " ".join(make_card(video, trained / "run", evidence=False, quiet=True).notes)
        assert "The temperature of the calibration, 20, is at its bound" in notes
        assert "labels of 'val' are too few" in notes
        path.write_text(json.dumps(asdict(kept) | {"temperature": 1.5}))
        assert not any(
            "bound" in n for n in make_card(video, trained / "run", evidence=False).notes
        )
    finally:
        path.unlink()


def test_the_command_writes_what_is_asked(trained, video, tmp_path):
    run = CliRunner().invoke(
        app,
        ["scout", str(video), "--checkpoint", str(trained / "run"), "--out", str(tmp_path / "a.html"),
         "--out", str(tmp_path / "a.json"), "--halves", "8", "--quiet", "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["files"] == [str(tmp_path / "a.html"), str(tmp_path / "a.json")]
    assert len(json.loads((tmp_path / "a.json").read_text())["skills"]) == 20
