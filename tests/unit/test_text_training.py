"""Training and prediction of a model that answers in text, from reels to scores."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from openbasket import cli
from openbasket.dataset.reader import SPLIT_FILES, read_split
from openbasket.errors import ConfigError, OpenBasketError
from openbasket.evaluation import evaluate
from openbasket.models.llava_onevision import tiny
from openbasket.models.ratings import Rater
from openbasket.models.skill_text import FAULTS, answer, parse
from openbasket.skills import OFFICIAL_ORDER, SKILL_KEYS, SKILLS, official_level
from openbasket.training import loop, predict
from openbasket.training.config import load_recipe
from openbasket.training.run import read_recipe
from openbasket.training.text import TextLearner, answers_path, build_text_model
from openbasket.video.write import VideoWriter
from openbasket.workspace import write_text

SMALL = ["data.frames=2", "data.size=28", "data.short_side=28", "train.batch_size=4"]
#: The answers are about the colour of the reel, so that they can be learnt from two frames.
LEVELS = [tuple((2 * i + k) % 5 for k in range(20)) for i in range(3)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Twelve reels to train on, of three kinds; three and one without any label to validate and test."""
    root = tmp_path_factory.mktemp("official")
    lines = [",".join(["path", *(skill.name for skill in OFFICIAL_ORDER)])]
    for i, row in enumerate([*LEVELS, (None,) * 20, *LEVELS * 3]):
        path = f"BASKET/21-22/L/s{i}_21_22.mp4"
        with VideoWriter(root / path, width=96, height=64) as writer:
            for _ in range(4):
                frame = np.full((64, 96, 3), 20, np.uint8)
                frame[:, :, (i - (i > 3)) % 3] = 230
                writer.write(frame)
        by_skill = dict(zip(SKILLS, row, strict=True))
        cells = [
            "" if by_skill[s] is None else official_level(s, by_skill[s]) for s in OFFICIAL_ORDER
        ]
        lines.append(",".join([path, *map(str, cells)]))
    for split, count in (("train", 13), ("val", 4), ("test", 4)):
        write_text(root / SPLIT_FILES[split], "\n".join(lines[: count + 1]) + "\n")
    return root


def train(root, out, *overrides, **options):
    recipe = load_recipe("llava_onevision-tiny", [*SMALL, *overrides])
    return loop.train(recipe, root, out, quiet=True, workers=1, **options)


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    """A run of all weights that knows the three reels by heart."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    report = train(
        root, out, "train.epochs=60", "train.learning_rate=3e-3", "train.warmup_epochs=4",
        "train.weight_decay=0.0", "data.crop_scale_min=1.0",
    )  # fmt: skip
    return out, report


def test_reels_are_learnt_predicted_and_scored(whole, root, tmp_path):
    run, report = whole
    assert report.history[0]["val_loss"] > 2 > 0.1 > report.best_val_loss
    assert report.history[0]["val_answers"] == 3
    out = tmp_path / "p.parquet"
    frame = predict.predict(run, root, out, quiet=True, workers=1).frame
    assert frame.height == 4 * 20
    samples = read_split(root, "test")
    p = frame.select("p0", "p1", "p2", "p3", "p4").to_numpy().reshape(4, 20, 5)
    assert [tuple(row) for row in p[:3].argmax(axis=2)] == LEVELS
    np.testing.assert_allclose(p.sum(axis=2), 1)
    assert 0.5 < p[:3].max() < 1  # probabilities of tokens, not the answer alone
    report = json.loads(answers_path(out).read_text())
    assert (report["answers"], report["whole"], report["levels"], report["cells"]) == (4, 4, 80, 80)
    assert report["faults"] == dict.fromkeys(FAULTS, 0)
    texts = report["texts"]
    assert list(texts) == [s.subject_id for s in samples]
    assert texts[samples[1].subject_id]["answer"] == answer(LEVELS[1])
    mean = (
        evaluate([out], root, splits=["test"], allow_crossing=True)
        .find(run.name)
        .scores["accuracy"]["mean"]
    )
    assert (mean.value, mean.labels, mean.unanswered) == (1.0, 60, 0)


def test_answers_are_given_in_the_precision_of_the_recipe(root, tmp_path, monkeypatch):
    train(root, tmp_path / "run", "train.epochs=1", "train.precision=bf16")
    seen = []
    rate = TextLearner.rate

    def noted(self, clips):
        seen.append(torch.is_autocast_enabled(clips.device.type))
        return rate(self, clips)

    monkeypatch.setattr(TextLearner, "rate", noted)
    frame = predict.predict(
        tmp_path / "run", root, tmp_path / "p.parquet", quiet=True, workers=1
    ).frame
    assert seen
    assert all(seen)
    assert frame.height == 4 * 20


def test_what_an_answer_leaves_out_is_null_and_counted(whole, root, tmp_path, monkeypatch):
    run, _ = whole
    monkeypatch.setattr(
        "openbasket.models.llava_onevision.LlavaOneVision.rate",
        lambda self, clips, prompts, levels: [_rated(self.tokenizer, CUT, levels) for _ in clips],
    )
    out = tmp_path / "p.parquet"
    done = CliRunner().invoke(
        cli.app,
        ["predict", str(run), "--data", str(root), "--out", str(out), "--workers", "1", "-q"],
    )
    assert done.exit_code == 0, done.output
    found = parse(CUT)
    told = {kind: 4 * n for kind, n in found.faults.items()}
    content = json.loads(answers_path(out).read_text())
    assert content["faults"] == told
    assert min(told.values()) > 0
    assert f"{told['renamed']} renamed" in done.output
    assert "4 answers, 0 without a fault; 12 of 80 levels" in done.output
    rows = pl.read_parquet(out)
    silent = rows.filter(pl.all_horizontal(pl.col("p0", "p1", "p2", "p3", "p4").is_null()))
    answered = {
        key for key, level in zip(SKILL_KEYS, found.levels, strict=True) if level is not None
    }
    assert set(silent["skill"]) == set(SKILL_KEYS) - answered
    assert silent.height == 4 * (20 - len(answered))
    assert content["unanswered"]["steals"] == 4
    mean = (
        evaluate([out], root, splits=["test"], allow_crossing=True)
        .find(run.name)
        .scores["accuracy"]["mean"]
    )
    assert (mean.labels, mean.unanswered) == (60, 3 * (20 - len(answered)))
    assert 0 < mean.value <= len(answered) / 20


#: One fault of each kind: Assists come after a later skill, Steals twice with different levels, Fouls
#: out of range, Blocks are no skill; the first line is no answer.
CUT = "Here you are:\nFree Throw: 2\nEfficiency: 2\nAssists: 3\nSteals: 1\nSteals: 2\nFouls: 7\nBlocks: 2"


def _rated(tokenizer, text, levels):
    """What the reader of answers makes of a text whose tokens were all but certain."""
    rater = Rater(tokenizer, levels)
    tokens = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    for token in tokens[0]:
        scores = torch.zeros(1, len(tokenizer))
        scores[0, token] = 3
        rater(tokens, scores)
    return rater.rate(tokens)[0]


def test_probabilities_are_those_of_the_digits_at_their_place():
    rating = _rated(tiny().tokenizer, CUT, 5)
    by_key = dict(zip(SKILL_KEYS, rating.probabilities, strict=True))
    told = torch.full((5,), 0.0).double()
    told[3] = 3
    torch.testing.assert_close(by_key["assists"], told.softmax(0))
    assert by_key["steals"].isnan().all()
    assert by_key["fouls"].isnan().all()
    assert rating.text == CUT


def test_a_digit_inside_a_longer_token_counts_as_all_or_nothing():
    from tokenizers import Tokenizer, decoders, models

    words = ["\n", "Steals: 3", "Fouls: 1"]
    plain = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="\n"))
    plain.decoder = decoders.Fuse()
    from transformers import PreTrainedTokenizerFast

    rater = Rater(PreTrainedTokenizerFast(tokenizer_object=plain), 5)
    tokens = torch.tensor([[1, 0, 2]])
    for _ in range(3):
        rater(tokens, torch.zeros(1, 3))
    [rating] = rater.rate(tokens)
    by_key = dict(zip(SKILL_KEYS, rating.probabilities.tolist(), strict=True))
    assert by_key["steals"] == [0, 0, 0, 1, 0]
    assert by_key["fouls"] == [0, 1, 0, 0, 0]


def test_adapters_alone_are_saved_and_read(root, tmp_path):
    overrides = ["train.epochs=2", "model.options.lora=true", "model.options.rank=2"]
    report = train(root, tmp_path / "lora", *overrides)
    assert report.history[0]["train_loss"] != report.history[1]["train_loss"]
    saved = load_file(str(tmp_path / "lora" / "best.safetensors"))
    assert saved
    assert all("lora_" in name for name in saved)
    assert sum(t.numel() for t in saved.values()) < report.parameters / 20
    last = load_file(str(tmp_path / "lora" / "last.safetensors"))
    assert all("lora_" in name for name in last if name.startswith("model/"))
    torch.rand(3)  # the state of the global generator must not matter
    built = build_text_model(read_recipe(tmp_path / "lora"))
    before = {n: p.clone() for n, p in built.named_parameters()}
    loop.checkpoint.load_weights(tmp_path / "lora" / "best.safetensors", built)
    changed = {n for n, p in built.named_parameters() if not torch.equal(p, before[n])}
    assert changed
    assert all("lora_" in name for name in changed)
    clips = torch.randn(1, 3, 2, 28, 28)
    labels = torch.tensor([LEVELS[0]])
    with torch.no_grad():
        right = [answer(LEVELS[0])]
        inputs, targets = built.model._examples(clips, [built._question], right)
        mean = built.model.net(**inputs, labels=targets).loss  # as transformers computes it
        torch.testing.assert_close(built(clips, labels), mean[None])
    out = tmp_path / "p.parquet"
    predict.predict(tmp_path / "lora", root, out, quiet=True, workers=1)
    _exchange(tmp_path / "lora")
    with pytest.raises(OpenBasketError, match="another model"):
        predict.predict(tmp_path / "lora", root, out, quiet=True, workers=1)


def _exchange(run):
    """Say in a run's recipe that its adapters have another rank."""
    content = json.loads((run / "recipe.json").read_text())
    content["recipe"]["model"]["options"]["rank"] = 4
    (run / "recipe.json").write_text(json.dumps(content))


def test_resume_is_exact(root, tmp_path):
    overrides = ["train.epochs=3", "model.options.lora=true", "train.accumulate=2"]
    straight = train(root, tmp_path / "straight", *overrides)

    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(root, tmp_path / "stopped", *overrides, on_epoch=stop)
    resumed = train(root, tmp_path / "stopped", *overrides)
    assert resumed.resumed_from == 1
    assert resumed.history == straight.history


def test_weights_in_transformers_format_are_where_training_begins(root, tmp_path):
    torch.manual_seed(5)
    official = tiny(size=28)
    official.save(tmp_path / "official")
    begun = build_text_model(
        load_recipe(
            "llava_onevision",
            [*SMALL, f"model.weights={tmp_path / 'official'}", "model.checkpointing=false"],
        )
    )
    for a, b in zip(begun.model.parameters(), official.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.dtype == torch.float32


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], r"needs the folder of official weights"),
        (["model.weights=nowhere"], r"no folder 'nowhere'.*transformers' format"),
    ],
)
def test_the_large_model_without_weights_says_what_to_do(root, tmp_path, overrides, said):
    recipe = load_recipe("llava_onevision", overrides)
    with pytest.raises(ConfigError, match=said):
        loop.train(recipe, root, tmp_path / "run", quiet=True, workers=1)


def test_other_sizes_and_options_are_refused(root, tmp_path):
    tiny(size=28).save(tmp_path / "official")
    with pytest.raises(ConfigError, match=r"data\.size=28"):
        train(
            root,
            tmp_path / "a",
            "data.size=56",
            "data.short_side=56",
            f"model.weights={tmp_path / 'official'}",
        )
    with pytest.raises(ConfigError, match="cannot be built"):
        train(root, tmp_path / "b", "model.options.no_such_option=1")
