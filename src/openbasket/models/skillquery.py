"""SkillQuery: a reel is a set of clips, and each skill asks all of them.

A clip encoder looks at a few frames of each clip by itself. A set model, to which the order of the clips is
nothing, finds out which team is in all of them and lets clips see each other; twenty learned queries, one a
skill, attend to them; ordinal heads turn what each query found into probabilities of levels. A report card
shows what a clip adds to a rating (:mod:`openbasket.scouting.evidence`) and how much the query attends to it.

The clip encoder may be any registered model with ``features``. It learns best from transcripts first
(:mod:`openbasket.training.transcripts`).

Sources: own design. Set attention: Lee et al., Set Transformer, ICML 2019. Learned queries: Carion et al.,
DETR, ECCV 2020. Ordinal heads: McCullagh, Regression models for ordinal data, 1980 (cumulative); Shi, Cao and
Raschka, CORN, 2021 (conditional).
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.nn import functional as F

from openbasket.models.base import VideoModel
from openbasket.models.clip_encoder import TEAM_DIM, ClipAnswers, ClipConv
from openbasket.models.layers import layer_depths
from openbasket.models.questions import ANSWERS
from openbasket.models.recurrence import known_by_recurrence
from openbasket.models.spec import OWN_DESIGN, ModelSpec
from openbasket.skills import SKILLS

__all__ = [
    "SPECS",
    "OrdinalHeads",
    "SetHeads",
    "SetModel",
    "SkillQuery",
    "skillquery_tiny",
    "some_frames",
]

#: Clips that are encoded at once where nothing is learnt.
_AT_ONCE = 8
#: Share of reels in training of which a condition is not told.
_UNKNOWN = 0.2
Ordinal = Literal["softmax", "cumulative", "corn"]
Pooling = Literal["queries", "mean"]
Tokens = Literal["features", "answers", "both"]

SPEC = ModelSpec(
    name="skillquery",
    frames=400,
    size=160,
    params=1_560_930,
    source=OWN_DESIGN,
    licence="MIT",
    normalise="half",
    note="takes clips (data.sampling = 'clips'): 8 frames of each of 50; clips that are not there are NaN",
)
TINY = ModelSpec(
    name="skillquery-tiny",
    frames=24,
    size=64,
    params=256_626,
    source=OWN_DESIGN,
    licence="MIT",
    normalise="half",
    note="as skillquery, of 6 clips of 4 frames: to try the commands",
)
SPECS = {spec.name: spec for spec in (SPEC, TINY)}


def some_frames(clips: torch.Tensor, count: int) -> torch.Tensor:
    """So many frames of clips ``(N, 3, T, H, W)``: the middle one of each of ``count`` equal parts, of two
    the later.
    """
    frames = clips.shape[2]
    if count == frames:
        return clips
    return clips[:, :, [(2 * part + 1) * frames // (2 * count) for part in range(count)]]


class OrdinalHeads(nn.Module):
    """Probabilities of ordered levels for each of the twenty skills.

    ``softmax`` knows no order. ``cumulative``: one score a skill and ordered thresholds,
    ``P(level > k) = sigmoid(score - threshold_k)``. ``corn``: a score for each
    ``P(level > k | level >= k)``.
    All give logarithms of probabilities as logits, so that cross-entropy is their likelihood.

    Args:
        features: length of each skill's vector.
        levels: levels of a skill.
        kind: which.
    """

    def __init__(self, features: int, levels: int, kind: Ordinal) -> None:
        super().__init__()
        self.kind = kind
        outputs = {"softmax": levels, "cumulative": 1, "corn": levels - 1}[kind]
        self.weight = nn.Parameter(torch.empty(len(SKILLS), features, outputs))
        self.bias = nn.Parameter(torch.zeros(len(SKILLS), outputs))
        nn.init.normal_(self.weight, std=0.5 * features**-0.5)
        if kind == "cumulative":
            even = torch.linspace(-1.4, 1.4, levels - 1)
            self.first = nn.Parameter(even[:1].repeat(len(SKILLS), 1))
            step = torch.log(torch.expm1(even.diff().clamp(min=1e-3)))
            self.steps = nn.Parameter(step.repeat(len(SKILLS), 1))

    def forward(self, found: torch.Tensor) -> torch.Tensor:
        """Map ``(B, 20, features)`` to logits ``(B, 20, levels)``."""
        scores = torch.einsum("bsf,sfo->bso", found, self.weight) + self.bias
        if self.kind == "softmax":
            return scores
        if self.kind == "corn":
            above, below = F.logsigmoid(scores), F.logsigmoid(-scores)
            reached = F.pad(above.cumsum(dim=-1), (1, 0))  # log P(level >= k)
            return reached + F.pad(below, (0, 1))
        thresholds = torch.cat([self.first, F.softplus(self.steps)], dim=1).cumsum(dim=1)
        over = torch.sigmoid(scores - thresholds)
        edges = F.pad(F.pad(over, (1, 0), value=1.0), (0, 1), value=0.0)
        return (edges[..., :-1] - edges[..., 1:]).clamp(min=1e-6).log()


class SetModel(nn.Module):
    """From what is known of clips to levels of skills; the order of the clips is nothing to it.

    In training some clips are left out at random, so that no rating hangs on a few.

    Args:
        features: of a clip.
        levels: levels of a skill.
        width: of the tokens.
        depth: layers in which clips see each other.
        heads: of attention.
        dropout: share of values dropped in training.
        clip_dropout: most of the clips that are left out in training: a share that is drawn for each reel.
        ordinal: which heads, see :class:`OrdinalHeads`.
        pooling: ``queries``: a learned query a skill; ``mean``: the same mean of all clips for every skill.
        conditions: lengths of what is told of a reel that no clip shows (its league, its season), zeros where
            that is not known. Each is left out of one reel in five in training, so that reels of which it is
            not known are rated well, too.
    """

    def __init__(
        self,
        features: int,
        levels: int,
        *,
        width: int,
        depth: int,
        heads: int,
        dropout: float,
        clip_dropout: float,
        ordinal: Ordinal,
        pooling: Pooling,
        conditions: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.clip_dropout = clip_dropout
        self.conditions = conditions
        self.pooling = pooling
        self.enter = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        if pooling == "queries":
            self.queries = nn.Parameter(torch.empty(len(SKILLS), width))
            nn.init.normal_(self.queries, std=1.0)
            self.attend = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.leave = nn.Sequential(nn.LayerNorm(2 * width), nn.Dropout(dropout))
        self.levels = OrdinalHeads(2 * width, levels, ordinal)
        if sum(conditions):
            self.condition = nn.Linear(sum(conditions), width, bias=False)
            nn.init.zeros_(self.condition.weight)  # what is not learned of is as if not known

    def forward(
        self, clips: torch.Tensor, absent: torch.Tensor, conditions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Map clips ``(B, clips, features)``, some of them ``absent (B, clips)``, to ``(B, 20, levels)``.

        ``conditions``, one after the other, ``(B, sum of their lengths)``; none is known by default.
        """
        tokens, absent = self._tokens(clips, absent, conditions)
        mean = _mean(tokens, absent)[:, None].expand(-1, len(SKILLS), -1)
        found = mean
        if self.pooling == "queries":
            queries = self.queries.expand(len(tokens), -1, -1)
            found, _ = self.attend(
                queries, tokens, tokens, key_padding_mask=absent, need_weights=False
            )
        logits: torch.Tensor = self.levels(self.leave(torch.cat([found, mean], dim=2)))
        return logits

    def attention(
        self, clips: torch.Tensor, absent: torch.Tensor, conditions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What each skill looks at: ``(B, 20, clips)``, 0 where there is no clip, 1 in all."""
        tokens, absent = self._tokens(clips, absent, conditions)
        if self.pooling == "mean":
            there = (~absent).to(tokens.dtype)
            even = there / there.sum(dim=1, keepdim=True).clamp(min=1)
            return even[:, None].expand(-1, len(SKILLS), -1)
        queries = self.queries.expand(len(tokens), -1, -1)
        _, weights = self.attend(queries, tokens, tokens, key_padding_mask=absent)
        return torch.as_tensor(weights)

    def _tokens(
        self, clips: torch.Tensor, absent: torch.Tensor, conditions: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Clips that have seen each other ``(B, clips, width)``, and which are not there ``(B, clips)``."""
        if self.training and self.clip_dropout:
            share = torch.rand(len(clips), 1, device=clips.device) * self.clip_dropout
            drawn = torch.rand(absent.shape, device=clips.device)
            left = absent | (drawn < share)
            absent = torch.where(left.all(dim=1, keepdim=True), absent, left)
        tokens = self.enter(clips)
        if conditions is not None:
            if self.training:
                each = torch.split(conditions, list(self.conditions), dim=1)
                known = [c * (torch.rand(len(c), 1, device=c.device) >= _UNKNOWN) for c in each]
                conditions = torch.cat(known, dim=1)
            tokens = tokens + self.condition(conditions)[:, None]
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=absent)
        return self.norm(tokens), absent


class SetHeads(nn.Module):
    """From features of clips to levels of skills: an ensemble of set models, which see the same clips.

    They begin with other weights, each learns from a loss of its own, and their probabilities are averaged
    (Lakshminarayanan et al., Simple and scalable predictive uncertainty estimation using deep ensembles,
    NeurIPS 2017). Where the clip encoder learns, too, it learns from all of them.

    Args:
        clips: most there can be.
        features: of a clip.
        levels: levels of a skill.
        members: set models.
        shown: only the first so many clips are there; all by default.
        teams: numbers at the end of what is told of a clip that tell which teams play (two vectors); before
            them stand the answers. 0 where nothing is told.
        recurs: find out by them which team is in all clips, and what follows for the player's part
            (:mod:`openbasket.models.recurrence`).
        conditions: lengths of what stands after the features of the clips, and tells of a reel what no clip
            shows (:class:`SetModel`). Features of reels to rate may lack them: nothing of them is known.
        settings: of each :class:`SetModel`.
    """

    def __init__(
        self,
        clips: int,
        features: int,
        levels: int,
        *,
        members: int = 1,
        shown: int | None = None,
        teams: int = 0,
        recurs: bool = True,
        conditions: tuple[int, ...] = (),
        **settings: Any,
    ) -> None:
        super().__init__()
        self.inputs = clips * (features + teams)
        self.conditions = conditions
        self.clips = clips
        self.teams = teams
        self.recurs = recurs
        self.shown = clips if shown is None else shown
        self.members = nn.ModuleList(
            SetModel(features, levels, conditions=conditions, **settings) for _ in range(members)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``(B, clips x F)``, NaN where there is no clip, and conditions after them to logits.

        Returns:
            ``(B, 20, levels)``; where several members learn, those of each: ``(members, B, 20, levels)``.
        """
        seen = self._parted(features)
        each = torch.stack([member(*seen) for member in self._members()])
        if len(each) == 1:
            return each[0]
        if self.training:
            return each
        return each.float().log_softmax(dim=3).logsumexp(dim=0) - math.log(len(each))

    def attention(self, features: torch.Tensor) -> torch.Tensor:
        """What each skill looks at, the mean of the members: ``(B, 20, clips)``, 1 in all."""
        seen = self._parted(features)
        return torch.stack([m.attention(*seen) for m in self._members()]).mean(dim=0)

    def settled(self, features: torch.Tensor) -> torch.Tensor:
        """Features of whole reels after whose they are is known, and no longer to be found out.

        For clips that will stand among those of other players.
        """
        if not self.teams:
            return features
        nowhere = features.view(len(features), self.clips, -1).isnan().any(dim=2)
        known = F.pad(self._seen(features)[0], (0, self.teams))
        return known.masked_fill(nowhere[..., None], torch.nan).flatten(1)

    def _members(self) -> list[SetModel]:
        return [member for member in self.members if isinstance(member, SetModel)]

    def _parted(
        self, features: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """What members get: clips, which of them are not there, and conditions."""
        seen = self._seen(features[:, : self.inputs])
        length = sum(self.conditions)
        if not length:
            return *seen, None
        conditions = features[:, self.inputs :]
        if not conditions.shape[1] and not self.training:
            conditions = features.new_zeros(len(features), length)
        if conditions.shape[1] != length:
            raise ValueError(f"got {conditions.shape[1]} numbers of conditions; allowed: {length}")
        return *seen, conditions

    def _seen(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is known of clips ``(B, clips, F)``, and which are not there ``(B, clips)``."""
        clips = features.view(len(features), self.clips, -1)
        absent = clips.isnan().any(dim=2)
        absent[:, self.shown :] = True
        absent[:, 0] &= ~absent.all(dim=1)  # a reel of no clips has one that shows nothing
        return self._known(clips.nan_to_num(), absent), absent

    def _known(self, clips: torch.Tensor, absent: torch.Tensor) -> torch.Tensor:
        """What is told of clips ``(B, clips, features)``, with what the team that recurs tells."""
        if not self.teams:
            return clips
        told, teams = torch.split(clips, [clips.shape[2] - self.teams, self.teams], dim=2)
        if not self.recurs:
            return told
        before, answers = torch.split(told, [told.shape[2] - ANSWERS, ANSWERS], dim=2)
        found = known_by_recurrence(answers, teams.view(*teams.shape[:2], 2, -1), ~absent)
        return torch.cat([before, found], dim=2)


class SkillQuery(VideoModel):
    """A clip encoder, and heads over the set of clips.

    Args:
        num_frames: frames of a reel: those of all its clips.
        size: height and width in pixels.
        levels: levels of a skill.
        clips: clips of a reel.
        backbone: ``conv`` (:class:`ClipConv`), or the name of a registered model with ``features``.
        conv_width: channels of ``conv``.
        dim: features of a clip that ``conv`` gives.
        width: of the set model's tokens.
        depth: layers in which clips see each other.
        heads: of attention.
        dropout: share of values dropped in training.
        clip_dropout: most of the clips that are left out in training.
        ordinal: ``softmax``, ``cumulative`` or ``corn`` (:class:`OrdinalHeads`).
        pooling: ``queries`` or ``mean`` (:class:`SetModel`).
        shown: the set model is given the first so many clips of a reel, all by default: to measure what more
            clips are worth.
        frames_shown: the clip encoder is given so many frames of each clip, evenly, all by default: to
            measure what more frames are worth.
        members: set models that learn each by itself, and whose probabilities are averaged.
        tokens: what the set model gets of a clip: ``features`` of the encoder, its ``answers`` to what a
            transcript would tell (:class:`~openbasket.models.clip_encoder.ClipAnswers`), or ``both``.
        recurs: find out which team is in all clips, and what follows for the player's part in them
            (:mod:`openbasket.models.recurrence`); where there are answers.
        leagues: so many leagues the set model is told by a number, after the features of the clips: recipes'
            ``data.leagues``.
        seasons: so many seasons likewise, after the leagues: ``data.seasons``.
        gradient_checkpointing: make the clip encoder's activations twice, for less memory; those of a
            registered model layer by layer.

    Raises:
        ValueError: values that do not go together.
    """

    #: What stands before the names of a registered model's weights where that is the clip encoder.
    backbone_prefix = "encoder.model."
    #: Options that change nothing in what :meth:`features` gives.
    head_options = frozenset(
        {
            "width",
            "depth",
            "heads",
            "dropout",
            "clip_dropout",
            "ordinal",
            "pooling",
            "members",
            "shown",
            "recurs",
            "leagues",
            "seasons",
        }
    )

    def __init__(
        self,
        *,
        num_frames: int = SPEC.frames,
        size: int = SPEC.size,
        levels: int = 5,
        clips: int = 50,
        backbone: str = "conv",
        conv_width: int = 16,
        dim: int = 256,
        width: int = 64,
        depth: int = 0,
        heads: int = 4,
        dropout: float = 0.2,
        clip_dropout: float = 0.1,
        ordinal: str = "cumulative",
        pooling: str = "queries",
        members: int = 1,
        tokens: str = "answers",
        recurs: bool = True,
        shown: int | None = None,
        frames_shown: int | None = None,
        leagues: int = 0,
        seasons: int = 0,
        gradient_checkpointing: bool = False,
    ) -> None:
        if clips < 1 or num_frames % clips:
            raise ValueError(f"num_frames ({num_frames}) must be a multiple of clips ({clips})")
        if width % heads:
            raise ValueError(f"width ({width}) must be a multiple of heads ({heads})")
        for name, given, allowed in (
            ("ordinal", ordinal, get_args(Ordinal)),
            ("pooling", pooling, get_args(Pooling)),
            ("tokens", tokens, get_args(Tokens)),
        ):
            if given not in allowed:
                raise ValueError(f"{name}: got '{given}'; allowed: {', '.join(allowed)}")
        if shown is not None and not 1 <= shown <= clips:
            raise ValueError(f"shown: got {shown}; allowed: 1 to clips ({clips})")
        if members < 1:
            raise ValueError(f"members: got {members}; allowed: 1 and more")
        if min(leagues, seasons) < 0:
            raise ValueError(f"leagues, seasons: got {leagues}, {seasons}; allowed: 0 and more")
        if not 0 <= clip_dropout < 1:
            raise ValueError(f"clip_dropout: got {clip_dropout}; allowed: from 0, below 1")
        each = num_frames // clips
        if frames_shown is not None and not 1 <= frames_shown <= each:
            raise ValueError(f"frames_shown: got {frames_shown}; allowed: 1 to {each}")
        each = frames_shown or each
        encoder, features, read = _encoder(
            backbone, each, size, conv_width, dim, dropout, again=gradient_checkpointing
        )
        answers = None if tokens == "features" else ClipAnswers(features, read)
        token = features if tokens != "answers" else 0
        token += ANSWERS if answers is not None else 0
        teams = 2 * TEAM_DIM if answers is not None else 0
        super().__init__((3, num_frames, size, size), token + teams, levels)
        self.gradient_checkpointing = gradient_checkpointing and backbone == "conv"
        self.clips = clips
        self.frames_shown = each
        self.frames_seen = (clips if shown is None else shown) * each
        self.clip_features = (features, read)
        self.tokens = tokens
        self.encoder = encoder
        self.answers = answers
        self.heads = SetHeads(  # type: ignore[assignment]
            clips, token, levels, members=members, shown=shown, teams=teams, recurs=recurs,
            conditions=(leagues, seasons), width=width,
            depth=depth, heads=heads, dropout=dropout, clip_dropout=clip_dropout, ordinal=ordinal,
            pooling=pooling,
        )  # fmt: skip

    def encoded(self, clips: torch.Tensor) -> torch.Tensor:
        """Features of single clips: ``(N, 3, T, H, W)`` to ``(N, clip_features[0])``."""
        made: torch.Tensor = self.through(self.encoder, some_frames(clips, self.frames_shown))
        return made

    def of_clips(self, clips: torch.Tensor) -> torch.Tensor:
        """What the set model gets of single clips: ``(N, 3, T, H, W)`` to ``(N, F)``."""
        made = self.encoded(clips)
        if self.answers is None:
            return made
        told = [self.answers.probabilities(made), self.answers.who_plays(made).flatten(1)]
        return torch.cat(told if self.tokens == "answers" else [made.float(), *told], dim=1)

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map reels ``(B, 3, clips x T, H, W)`` to ``(B, clips x F)``, NaN where there is no clip."""
        batch, _, frames, height, width = clips.shape
        single = clips.view(batch, 3, self.clips, frames // self.clips, height, width)
        single = single.transpose(1, 2).flatten(0, 1)
        there = ~single[:, 0, 0, 0, 0].isnan()
        # what is not there must not enter the statistics of normalisation; on the device meta all is there
        some = not (single.is_meta or bool(there.all()))
        single = single[there] if some else single
        if torch.is_grad_enabled():
            made = self.of_clips(single)
        else:  # what a few clips need stays in the processor's caches
            made = torch.cat([self.of_clips(some) for some in torch.split(single, _AT_ONCE)])
            if not (made.is_meta or bool(made.isfinite().all())):
                raise ValueError("the clip encoder gave values that are no numbers")
        if some:
            whole = made.new_full((len(there), made.shape[1]), torch.nan)
            whole[there] = made
            made = whole
        return made.view(batch, -1)

    def layer_of(self, name: str) -> int:
        """How deep a weight lies, for layer decay: frames, clips, the set of clips.

        A registered model as clip encoder keeps its own layers, and the rest lies above them.
        """
        if isinstance(self.encoder, _Backbone):
            depths = self.encoder.depths
            return depths.get(name.removeprefix(self.backbone_prefix), 1 + max(depths.values()))
        if name.startswith("heads."):
            return 2
        return 0 if ".frame" in name else 1


def skillquery_tiny(
    *,
    num_frames: int = TINY.frames,
    size: int = TINY.size,
    levels: int = 5,
    clips: int = 6,
    backbone: str = "conv",
    conv_width: int = 8,
    dim: int = 64,
    width: int = 32,
    depth: int = 1,
    heads: int = 2,
    dropout: float = 0.2,
    clip_dropout: float = 0.5,
    ordinal: str = "cumulative",
    pooling: str = "queries",
    members: int = 1,
    tokens: str = "answers",
    recurs: bool = True,
    shown: int | None = None,
    frames_shown: int | None = None,
    leagues: int = 0,
    seasons: int = 0,
    gradient_checkpointing: bool = False,
) -> SkillQuery:
    """SkillQuery of six clips, narrow."""
    return SkillQuery(**locals())


def _encoder(
    backbone: str, frames: int, size: int, conv_width: int, dim: int, dropout: float, *, again: bool
) -> tuple[nn.Module, int, int]:
    """What makes features of a clip, how many, and how many of them are read.

    ``again``: activations of a registered model twice.
    """
    if backbone == "conv":
        if size % 16 or conv_width % 8 or dim % 4:
            raise ValueError(
                f"size must be a multiple of 16, conv_width of 8, dim of 4; got {size}, {conv_width}, {dim}"
            )
        return ClipConv(frames, size, conv_width, dim, dropout), dim, dim // 4
    from openbasket.models import create_model  # which knows this module

    switch = {"gradient_checkpointing": True} if again else {}
    model = None
    if backbone not in SPECS:
        model = create_model(backbone, num_frames=frames, size=size, **switch)
    if not isinstance(model, VideoModel):
        raise ValueError(f"backbone: got '{backbone}'; allowed: 'conv', or a model of single clips")
    features = model.heads.inputs
    model.heads = nn.Identity()  # type: ignore[assignment]
    return _Backbone(model), features, 0


class _Backbone(nn.Module):
    """The features of a registered model."""

    def __init__(self, model: VideoModel) -> None:
        super().__init__()
        self.model = model
        self.depths = layer_depths(model)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.model.features(clips)


def _mean(tokens: torch.Tensor, absent: torch.Tensor) -> torch.Tensor:
    """The mean of the clips that are there."""
    there = (~absent).unsqueeze(2).to(tokens.dtype)
    return (tokens * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
