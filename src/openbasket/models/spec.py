"""What is known about a model without building it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OWN_DESIGN", "ModelSpec"]

#: The source of a model that has no paper, and so no official checkpoints.
OWN_DESIGN = "own design"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Facts about an architecture; each model's file has one a name in ``SPECS``.

    Args:
        name: its key in :data:`openbasket.models.MODELS`.
        frames: frames in a clip, unless told otherwise.
        size: height and width of the picture in pixels, unless told otherwise.
        params: number of weights at these defaults, with twenty heads of five levels.
        source: where the architecture comes from: a paper, or :data:`OWN_DESIGN`.
        licence: of the code of the architecture.
        normalise: the setting ``data.normalise`` of its official code.
        note: what else to know before it is used.
    """

    name: str
    frames: int
    size: int
    params: int
    source: str
    licence: str
    normalise: str = "imagenet"
    note: str = ""
