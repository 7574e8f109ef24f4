"""From the tokens of an answer to levels and their probabilities."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessor

from openbasket.models.skill_text import Parsed, parse
from openbasket.skills import SKILLS

__all__ = ["Rater", "Rating"]

#: A token with one digit.
_LEVEL = re.compile(r"([^0-9]*)([0-9])([^0-9]*)")


@dataclass(frozen=True, slots=True)
class Rating:
    """An answer, and the levels in it.

    Args:
        text: the answer.
        parsed: what it says.
        probabilities: float64 ``(20, levels)``: of the tokens of all levels where that of the given
            level stands, in proportion to each other (all in one level, where digits are no tokens of
            their own). NaN for a skill without a level: nothing is guessed.
    """

    text: str
    parsed: Parsed
    probabilities: torch.Tensor


class Rater(LogitsProcessor):
    """Watches how an answer is generated, changes nothing, and rates by what it saw.

    Args:
        tokenizer: of the model that answers.
        levels: levels of a skill.
    """

    def __init__(self, tokenizer: Any, levels: int) -> None:
        self._tokenizer = tokenizer
        self._levels = levels
        self._forms = _level_tokens(tokenizer, levels)
        self._row_of = {token: row for row, tokens in enumerate(self._forms) for token in tokens}
        self._ids = torch.tensor(self._forms, dtype=torch.long).view(len(self._forms), levels)
        self._seen: list[torch.Tensor] = []  # of each step: (B, forms, levels)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Keep the logits of the levels' tokens at one step; ``scores`` are ``(B, vocabulary)``."""
        del input_ids
        self._seen.append(scores[:, self._ids.to(scores.device)].double().cpu())
        return scores

    def rate(self, tokens: torch.Tensor) -> list[Rating]:
        """Read the answers ``(B, steps)`` that were watched."""
        return [self._rate(number, row) for number, row in enumerate(tokens.tolist())]

    def _rate(self, number: int, tokens: Sequence[int]) -> Rating:
        texts = [
            self._tokenizer.decode(
                tokens[: n + 1], skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            for n in range(len(tokens))
        ]
        text, ends = texts[-1], [len(text) for text in texts]
        parsed = parse(text, self._levels)
        shares = torch.full((len(SKILLS), self._levels), math.nan, dtype=torch.float64)
        for skill, (level, place) in enumerate(zip(parsed.levels, parsed.places, strict=True)):
            if level is None or place is None:
                continue
            step = bisect_right(ends, place)
            row = self._row_of.get(tokens[step])
            if row is not None and self._forms[row][level] == tokens[step]:
                shares[skill] = self._seen[step][number, row].softmax(dim=0)
            else:
                shares[skill] = (torch.arange(self._levels) == level).double()
        return Rating(text, parsed, shares)


def _level_tokens(tokenizer: Any, levels: int) -> list[list[int]]:
    """Tokens that differ in their digit alone, a row for each way to write it: ``3``, `` 3``."""
    forms: dict[tuple[str, str], dict[int, int]] = {}
    for token, number in tokenizer.get_vocab().items():
        if found := _LEVEL.fullmatch(token):
            before, digit, after = found.groups()
            forms.setdefault((before, after), {})[int(digit)] = number
    wanted = range(levels)
    return [[form[n] for n in wanted] for form in forms.values() if form.keys() >= set(wanted)]
