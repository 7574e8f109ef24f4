"""LLaVA-OneVision from a dataset to levels: conversations, fine-tuning, answers."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from openbasket import cli
from openbasket.dataset.export.instructions import instructions
from openbasket.dataset.reader import read_split
from openbasket.errors import BadInputError, ConfigError, UnknownNameError
from openbasket.models import TEXT_MODELS, create_model, model_spec
from openbasket.models.llava_onevision import LlavaOneVision, llava_onevision, tiny
from openbasket.models.skill_text import VIDEO, answer, parse, prompt
from openbasket.skills import OFFICIAL_ORDER

SIZE = 56
IN_COLUMNS = [[(row + i) % 5 for i in range(20)] for row in range(2)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A dataset in the official layout; its second player lacks one label, its third all."""
    root = tmp_path_factory.mktemp("official")
    lines = ["video_path," + ",".join(skill.name for skill in OFFICIAL_ORDER)]
    for player, labels in zip("abc", [*IN_COLUMNS, [""] * 20], strict=True):
        path = f"BASKET/21-22/L/{player}_21_22.mp4"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"film")
        lines.append(",".join([path, *map(str, labels)]))
    lines[2] = lines[2].rpartition(",")[0] + ","
    file = root / "BASKET_Labels" / "BASKET" / "train.csv"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(lines) + "\n")
    return root


def videos(count, frames=2, seed=0):
    return torch.randn(count, 3, frames, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def fit(model, clips, questions, answers, lr, steps=150):
    """Losses, down to one at which every token is likelier than all others."""
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=lr)
    losses = []
    for _ in range(steps):
        loss = model.losses(clips, questions, answers).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(loss.item())
        if loss < 0.02:
            break
    return losses


def texts(root):
    turns = [[turn["value"] for turn in item["conversations"]] for item in instructions(root)]
    return [list(side) for side in zip(*turns, strict=True)]


@pytest.fixture(scope="module")
def fitted(root):
    torch.manual_seed(0)
    model = tiny()
    losses = fit(model, videos(2), *texts(root), lr=3e-3)
    return model, losses


# -- conversations --------------------------------------------------------------------------


def test_conversations_hold_the_labels_as_openbasket_reads_them(root):
    items, samples = instructions(root), read_split(root, "train")
    assert [item["id"] for item in items] == ["a_L_21_22", "b_L_21_22"]
    for item, sample in zip(items, samples[:2], strict=True):
        assert (root / item["video"]).is_file()
        question, reply = item["conversations"]
        assert question == {"from": "human", "value": f"<video>\n{prompt()}"}
        assert reply["from"] == "gpt"
        assert parse(reply["value"]).levels == sample.levels
    # The official files store this skill the other way round.
    first = items[0]["conversations"][1]["value"]
    assert f"Defensive Consistency: {4 - IN_COLUMNS[0][11]}" in first
    assert "Efficiency" not in items[1]["conversations"][1]["value"]


def test_the_command_writes_them(root, tmp_path):
    out = tmp_path / "new" / "train.json"
    done = CliRunner().invoke(cli.app, ["instructions", str(root), "--out", str(out)])
    assert done.exit_code == 0
    assert "2 conversations written" in done.output
    assert json.loads(out.read_text()) == instructions(root)
    as_json = CliRunner().invoke(cli.app, ["instructions", str(root), "--out", str(out), "--json"])
    assert json.loads(as_json.output) == {"path": str(out), "items": 2}


def test_what_cannot_be_converted_leaves_the_file_as_it_was(root, tmp_path):
    out = tmp_path / "train.json"
    out.write_text("before")
    done = CliRunner().invoke(
        cli.app, ["instructions", str(root), "--out", str(out), "--levels", "3"]
    )
    assert isinstance(done.exception, BadInputError)
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(UnknownNameError, match="Did you mean 'train'"):
        instructions(root, "trian")


# -- the model ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TEXT_MODELS))
def test_create_model_says_what_to_use(name):
    with pytest.raises(ConfigError, match=r"no skill heads.*models\.llava_onevision\."):
        create_model(name)
    assert model_spec(name).name == name


def test_numbers_of_weights():
    small = tiny()
    with torch.device("meta"):
        large = llava_onevision(small.tokenizer)
    count = {"llava_onevision": large, "llava_onevision-tiny": small}
    for name, model in count.items():
        assert sum(p.numel() for p in model.parameters()) == model_spec(name).params
    assert model_spec("llava_onevision").params == pytest.approx(8_030.8e6, rel=1e-3)


def test_only_the_answer_is_in_the_loss():
    model = tiny()
    answers = ["Steals: 3", "Steals: 3\nFouls: 1"]
    questions = [
        f"{VIDEO}\nA much longer question, which is no part of the loss?",
        f"{VIDEO}\nWhat?",
    ]
    inputs, labels = model._examples(videos(2), questions, answers)
    ids = inputs["input_ids"]
    kept = labels != -100
    assert (labels == ids)[kept].all()
    for row, mask, text, question in zip(ids, kept, answers, questions, strict=True):
        assert model.tokenizer.decode(row[mask]) == text + "<|im_end|>"
        start = int(mask.nonzero()[0])
        before = model.tokenizer.decode(row[:start])
        assert before.endswith("<|im_start|>assistant\n")
        assert question.removeprefix(VIDEO) in before
    assert (ids == model.config.video_token_id).sum(1).tolist() == [2 * 4 + 1] * 2


def test_a_batch_is_its_rows(fitted, root):
    """Padding, on the right in training and on the left in answering, changes nothing."""
    model, _ = fitted
    clips = videos(2)
    questions, answers = texts(root)
    questions[1] = f"{VIDEO}\nThe skills?"
    with torch.no_grad():
        alone = [
            model.losses(clips[i : i + 1], questions[i : i + 1], answers[i : i + 1]) for i in (0, 1)
        ]
        torch.testing.assert_close(model.losses(clips, questions, answers), torch.cat(alone))
    assert model.generate(clips, questions) == [
        model.generate(clips[i : i + 1], questions[i : i + 1])[0] for i in (0, 1)
    ]


def test_two_videos_are_learnt_by_heart(fitted, root):
    model, losses = fitted
    questions, answers = texts(root)
    assert losses[-1] < 0.02 < 4 < losses[0]
    model.train()
    generated = model.generate(videos(2), questions)
    assert model.training
    assert generated == answers
    levels = [sample.levels for sample in read_split(root, "train")[:2]]
    assert [parse(text).levels for text in generated] == levels


def test_an_answer_is_cut_off_where_it_must_be(fitted, root):
    model, _ = fitted
    questions, answers = texts(root)
    short = model.generate(videos(2), questions, max_new_tokens=20)
    assert all(
        text.startswith(cut) and cut != text for cut, text in zip(short, answers, strict=True)
    )
    assert parse(short[0]).levels[0] == 0


def test_weights_are_saved_and_read(fitted, root, tmp_path):
    model, _ = fitted
    questions, answers = texts(root)
    model.save(tmp_path)
    assert LlavaOneVision.read(tmp_path).generate(videos(2), questions) == answers


def test_lora_trains_adapters_alone(fitted, root, tmp_path):
    model, _ = fitted
    model.save(tmp_path / "full")
    torch.manual_seed(1)
    adapted = LlavaOneVision.read(tmp_path / "full", lora=True, rank=8)
    names = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert names
    assert all("lora_" in name and ".language_model." in name for name in names)
    before = {n: p.clone() for n, p in adapted.named_parameters() if "lora_" not in n}
    questions, answers = texts(root)
    # Adapters start at zero: nothing changes before training.
    torch.testing.assert_close(
        adapted.losses(videos(2), questions, answers), model.losses(videos(2), questions, answers)
    )
    others = [answer([(row + 3 * i) % 5 for i in range(20)]) for row in (2, 0)]
    losses = fit(adapted, videos(2), questions, others, lr=1e-2)
    assert losses[-1] < 0.02 < 0.5 < losses[0]
    assert adapted.generate(videos(2), questions) == others
    assert all(torch.equal(before[n], p) for n, p in adapted.named_parameters() if n in before)
    adapted.save(tmp_path / "folded")
    assert LlavaOneVision.read(tmp_path / "folded").generate(videos(2), questions) == others


def test_target_modules_of_lora():
    names = [
        name
        for name, p in tiny(lora=True, rank=2, target_modules=["q_proj"]).named_parameters()
        if p.requires_grad
    ]
    assert len(names) == 2 * 2  # two layers, two matrices each
    with pytest.raises(ValueError, match=r"query.*allowed are some of .*'q_proj'"):
        tiny(lora=True, target_modules=["query"])


@pytest.mark.parametrize("lora", [False, True])
def test_checkpointing_changes_no_gradient(lora):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = tiny(lora=lora, gradient_checkpointing=checkpointing).train()
        model.losses(videos(1), [f"{VIDEO}\nWhat?"], ["Steals: 3"]).sum().backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    assert all(g is not None for g in gradients[0].values() if lora)
    assert any(g is not None and g.any() for g in gradients[0].values())
    torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize(
    ("clips", "questions", "said"),
    [
        (torch.zeros(1, 3, 2, 48, 56), [VIDEO], r"built for \(B, 3, T, 56, 56\)"),
        (torch.zeros(3, 2, SIZE, SIZE), [VIDEO], "built for"),
        (torch.zeros(1, 3, 2, SIZE, SIZE), ["What?"], "once"),
        (torch.zeros(1, 3, 2, SIZE, SIZE), [VIDEO * 2], "once"),
        (torch.zeros(1, 3, 2, SIZE, SIZE), [VIDEO] * 2, "1 videos and 2 prompts"),
    ],
)
def test_what_does_not_fit_is_refused(clips, questions, said):
    model = tiny()
    with pytest.raises(ValueError, match=said):
        model.generate(clips, questions)
    with pytest.raises(ValueError, match=said):
        model.losses(clips, questions, ["Steals: 3"] * len(questions))


def test_each_prompt_has_an_answer():
    with pytest.raises(ValueError, match="1 prompts and 2 answers"):
        tiny().losses(videos(1), [VIDEO], ["Steals: 3"] * 2)
