"""LLaVA-OneVision: video and text in, text out. It has no heads; skills are read from its answers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional
from transformers import (
    AutoTokenizer,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipVisionConfig,
)

from openbasket.models.ratings import Rater, Rating
from openbasket.models.skill_text import VIDEO, answer, prompt
from openbasket.models.spec import ModelSpec
from openbasket.skills import SKILLS

__all__ = [
    "LORA_TARGETS",
    "SPECS",
    "LlavaOneVision",
    "llava_onevision",
    "paper_config",
    "tiny",
    "tiny_config",
    "tiny_tokenizer",
]

_SOURCE = "Li et al., LLaVA-OneVision: Easy Visual Task Transfer (2024)"
SPECS = {
    "llava_onevision": ModelSpec(
        "llava_onevision", 32, 384, 8_030_807_584, _SOURCE, "Apache-2.0", "half"
    ),
    "llava_onevision-tiny": ModelSpec(
        "llava_onevision-tiny", 4, 56, 563_776, _SOURCE, "Apache-2.0"
    ),
}

#: Linear layers of the language model that LoRA adapts, unless told otherwise.
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

#: Label of a token that the loss leaves out.
_IGNORED = -100
_START, _END, _PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
#: A turn of the conversation, as the model was trained on it: the question, up to where the answer begins.
_TURN = (
    f"{_START}system\nYou are a helpful assistant.{_END}\n{_START}user\n",
    f"{_END}\n{_START}assistant\n",
)


class LlavaOneVision(nn.Module):
    """A SigLIP tower, a projector of two layers and Qwen2, fine-tuned to answer with skill levels.

    Frames are normalised by the caller (official: mean 0.5, standard deviation 0.5), square, and of
    the size of the tower; each becomes ``ceil(side / 2) ** 2`` tokens, ``side`` patches a row.

    Args:
        net: transformers' module, with fresh weights or official ones.
        tokenizer: its tokenizer; knows the tokens of turns, ``<|im_start|>`` and ``<|im_end|>``.
        lora: train low-rank adapters alone; all other weights are frozen.
        rank: rank of the adapters; their scale is 2.
        target_modules: names of the linear layers of the language model that get adapters.
        gradient_checkpointing: compute layers again in the backward pass, for less memory.

    Raises:
        ValueError: the language model has no such layer to adapt.
    """

    def __init__(
        self,
        net: LlavaOnevisionForConditionalGeneration,
        tokenizer: Any,
        *,
        lora: bool = False,
        rank: int = 16,
        target_modules: Sequence[str] = LORA_TARGETS,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.config = net.config
        self.tokenizer = tokenizer
        if gradient_checkpointing:
            net.activation_checkpointing_enable()
        self.net = cast("Any", _adapted(net, rank, target_modules) if lora else net)

    @classmethod
    def read(cls, folder: Path, **options: Any) -> LlavaOneVision:
        """Read weights and tokenizer from a folder in transformers' format; nothing is downloaded.

        Args:
            folder: what :meth:`save` wrote, or official weights.
            options: as of the constructor.
        """
        net = LlavaOnevisionForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, dtype="auto"
        )
        return cls(net, AutoTokenizer.from_pretrained(folder, local_files_only=True), **options)

    def save(self, folder: Path) -> None:
        """Write weights and tokenizer in transformers' format; adapters are folded in, for good."""
        if hasattr(self.net, "merge_and_unload"):
            self.net = self.net.merge_and_unload()
        self.net.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def losses(
        self, videos: torch.Tensor, prompts: Sequence[str], answers: Sequence[str]
    ) -> torch.Tensor:
        """Mean cross-entropy of each answer's tokens (and the end of its turn) alone, ``(B,)``.

        Logits are made where answers are, and nowhere else.

        Args:
            videos: ``(B, 3, T, H, W)``.
            prompts: B questions, each with ``<video>`` once, where the video comes.
            answers: B answers.

        Raises:
            ValueError: videos of another size, a question without its video, or unequal numbers.
        """
        inputs, labels = self._examples(videos, prompts, answers)
        first = int((labels != _IGNORED).any(dim=0).nonzero()[0])
        kept = labels.shape[1] - first + 1  # what comes before a token tells it
        logits = self.net(**inputs, use_cache=False, logits_to_keep=kept).logits[:, :-1]
        targets = labels[:, first:]
        each = functional.cross_entropy(
            logits.float().transpose(1, 2), targets, ignore_index=_IGNORED, reduction="none"
        )
        return each.sum(dim=1) / (targets != _IGNORED).sum(dim=1)

    def _examples(
        self, videos: torch.Tensor, prompts: Sequence[str], answers: Sequence[str]
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Questions with their answers, and the labels of the answers' tokens."""
        if len(answers) != len(prompts):
            raise ValueError(
                f"got {len(prompts)} prompts and {len(answers)} answers; give one each"
            )
        heads = self._questions(videos, prompts)
        tails = [self._ids(text + _END) for text in answers]
        rows = [head + tail for head, tail in zip(heads, tails, strict=True)]
        inputs = self._inputs(videos, rows)
        labels = torch.full_like(inputs["input_ids"], _IGNORED)
        for label, head, tail in zip(labels, heads, tails, strict=True):
            label[len(head) : len(head) + len(tail)] = label.new_tensor(tail)
        return inputs, labels

    @torch.no_grad()
    def generate(
        self, videos: torch.Tensor, prompts: Sequence[str], *, max_new_tokens: int = 256
    ) -> list[str]:
        """Answer each question with the likeliest tokens, one after the other.

        Args:
            videos: ``(B, 3, T, H, W)``.
            prompts: B questions, each with ``<video>`` once, where the video comes.
            max_new_tokens: where an answer is cut off; twenty skills take fewer than 200.

        Raises:
            ValueError: videos of another size, a question without its video, or unequal numbers.
        """
        found = self._answer(videos, prompts, max_new_tokens)
        return cast("list[str]", self.tokenizer.batch_decode(found, skip_special_tokens=True))

    @torch.no_grad()
    def rate(
        self,
        videos: torch.Tensor,
        prompts: Sequence[str],
        *,
        levels: int = 5,
        max_new_tokens: int = 256,
    ) -> list[Rating]:
        """Answer each question as :meth:`generate` does, and read the levels from the answers.

        Args:
            videos: ``(B, 3, T, H, W)``.
            prompts: B questions, each with ``<video>`` once, where the video comes.
            levels: levels of a skill.
            max_new_tokens: where an answer is cut off; twenty skills take fewer than 200.

        Raises:
            ValueError: videos of another size, a question without its video, or unequal numbers.
        """
        rater = Rater(self.tokenizer, levels)
        return rater.rate(self._answer(videos, prompts, max_new_tokens, [rater]))

    def _answer(
        self,
        videos: torch.Tensor,
        prompts: Sequence[str],
        max_new_tokens: int,
        processors: Sequence[LogitsProcessor] = (),
    ) -> torch.Tensor:
        """Tokens of the answers ``(B, steps)``, ends of turns included."""
        inputs = self._inputs(videos, self._questions(videos, prompts), left=True)
        end = self.tokenizer.convert_tokens_to_ids(_END)
        was_training = self.training
        self.eval()
        try:
            found = self.net.generate(
                **inputs,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                repetition_penalty=1.0,  # a level that was given before is as likely as another
                logits_processor=LogitsProcessorList(processors),
                eos_token_id=end,
                pad_token_id=end,
            )
        finally:
            self.train(was_training)
        return cast("torch.Tensor", found[:, inputs["input_ids"].shape[1] :])

    def _questions(self, videos: torch.Tensor, prompts: Sequence[str]) -> list[list[int]]:
        """Tokens of each question, up to where its answer begins."""
        vision = cast("Any", self.config.vision_config)
        size = vision.image_size
        if videos.ndim != 5 or videos.shape[1] != 3 or tuple(videos.shape[3:]) != (size, size):
            raise ValueError(
                f"videos have shape {tuple(videos.shape)}; built for (B, 3, T, {size}, {size})"
            )
        if len(prompts) != len(videos):
            raise ValueError(f"got {len(videos)} videos and {len(prompts)} prompts; give one each")
        side = math.ceil(size // vision.patch_size / 2)
        # One more: the token that ends a video.
        video = [self.config.video_token_id] * (videos.shape[2] * side**2 + 1)
        rows = []
        for text in prompts:
            before, *after = text.split(VIDEO)
            if len(after) != 1:
                raise ValueError(f"got {text!r}; a prompt has '{VIDEO}' once")
            rows.append(self._ids(_TURN[0] + before) + video + self._ids(after[0] + _TURN[1]))
        return rows

    def _ids(self, text: str) -> list[int]:
        return cast("list[int]", self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _inputs(
        self, videos: torch.Tensor, rows: Sequence[Sequence[int]], *, left: bool = False
    ) -> dict[str, torch.Tensor]:
        """Rows of tokens as one batch, padded on the right, or on the left."""
        length = max(map(len, rows))
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, to, there in zip(rows, ids, mask, strict=True):
            place = slice(length - len(row), length) if left else slice(len(row))
            to[place], there[place] = torch.tensor(row), 1
        return {
            "input_ids": ids.to(videos.device),
            "attention_mask": mask.to(videos.device),
            "pixel_values_videos": videos.transpose(1, 2).contiguous().to(self.net.dtype),
        }


def llava_onevision(tokenizer: Any, **options: Any) -> LlavaOneVision:
    """The model of the paper, with fresh weights; for official ones, :meth:`LlavaOneVision.read`.

    Args:
        tokenizer: that of the official weights.
        options: of :class:`LlavaOneVision`.
    """
    return LlavaOneVision(
        LlavaOnevisionForConditionalGeneration(paper_config()), tokenizer, **options
    )


def tiny(*, size: int = 56, **options: Any) -> LlavaOneVision:
    """A small model with fresh weights and a tokenizer of its own, to try the way from end to end.

    Args:
        size: height and width of the picture in pixels.
        options: of :class:`LlavaOneVision`.
    """
    tokenizer = tiny_tokenizer()
    return LlavaOneVision(
        LlavaOnevisionForConditionalGeneration(tiny_config(tokenizer, size)), tokenizer, **options
    )


def paper_config() -> LlavaOnevisionConfig:
    """The sizes of the model of 7B: Qwen2-7B, SigLIP-so400m without its last layer."""
    return LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=1152,
            intermediate_size=4304,
            patch_size=14,
            image_size=384,
            num_hidden_layers=26,
            num_attention_heads=16,
            vision_use_head=False,
        ),
        text_config=Qwen2Config(
            vocab_size=152_128,
            hidden_size=3584,
            intermediate_size=18_944,
            num_hidden_layers=28,
            num_attention_heads=28,
            num_key_value_heads=4,
            max_position_embeddings=32_768,
            rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        ),
    )


def tiny_config(tokenizer: Any, size: int = 56) -> LlavaOnevisionConfig:
    """Sizes for a laptop, with this tokenizer's tokens."""
    return LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            patch_size=14,
            image_size=size,
            num_hidden_layers=2,
            num_attention_heads=2,
            vision_use_head=False,
        ),
        text_config=Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids(VIDEO),
    )


def tiny_tokenizer() -> Any:
    """Byte pairs learnt from the questions and answers about skills; any text can be written."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    special = [_PAD, _START, _END, "<image>", VIDEO]
    learnt = Tokenizer(models.BPE())
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learnt.decoder = decoders.ByteLevel()
    texts = [text + prompt(n) for text in _TURN for n in (5, 3)]
    texts += [answer([level] * len(SKILLS)) for level in range(5)]
    learnt.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=640,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    build: Any = PreTrainedTokenizerFast  # untyped
    return build(
        tokenizer_object=learnt,
        eos_token=_END,
        pad_token=_PAD,
        additional_special_tokens=[_START, "<image>", VIDEO],
    )


def _adapted(net: nn.Module, rank: int, target_modules: Sequence[str]) -> nn.Module:
    """Freeze a module and put low-rank adapters beside linear layers of its language model."""
    from peft import LoraConfig, get_peft_model

    linear = {
        name.rpartition(".")[2]
        for name, module in net.named_modules()
        if ".language_model." in name and isinstance(module, nn.Linear)
    }
    if not target_modules or set(target_modules) - linear:
        raise ValueError(
            f"target_modules are {list(target_modules)}; allowed are some of {sorted(linear)}"
        )
    names = "|".join(map(re.escape, target_modules))
    settings = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=rf".*\.language_model\..*\.({names})"
    )
    return cast("nn.Module", get_peft_model(cast("Any", net), settings))
