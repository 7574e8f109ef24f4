"""Random changes of a clip, through kornia: alike for all of its frames, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from kornia.augmentation import RandomErasing, RandomHorizontalFlip
from kornia.augmentation.auto import RandAugment
from torch import nn

from openbasket.training.config import DataConfig

__all__ = ["Augmentation"]

#: Shares of the picture, and width / height, of an erased box (Zhong et al., 2020).
ERASED_AREA, ERASED_ASPECT = (0.02, 1 / 3), (0.3, 3.3)


class Augmentation:
    """RandAugment, flip and erasing, in this order, of a clip that is cropped already.

    Parameters are drawn once for a clip. Chance comes from the seed alone, and the state of PyTorch's
    global generator stays as it was.

    Args:
        config: what of it is wanted; what is not is not even built.
    """

    def __init__(self, config: DataConfig) -> None:
        self._changes: list[nn.Module] = []
        self._erase: nn.Module | None = None
        wanted = config.randaugment
        if wanted.operations:
            self._changes.append(RandAugment(n=wanted.operations, m=wanted.magnitude))
        if config.flip:
            self._changes.append(RandomHorizontalFlip(p=0.5))
        if config.erasing:
            self._erase = RandomErasing(ERASED_AREA, ERASED_ASPECT, p=config.erasing)

    def __call__(
        self, clip: torch.Tensor, seed: int, normalise: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Change and normalise a clip.

        Args:
            clip: float ``(T, 3, H, W)``, 0 to 1.
            seed: of all chance in it.
            normalise: called before erasing, so that what is erased has the mean colour.
        """
        if not self._changes and self._erase is None:
            return normalise(clip)
        with _seeded(seed), torch.no_grad():
            for change in self._changes:
                clip = _alike(change, clip).clamp(0, 1)
            clip = normalise(clip)
            return clip if self._erase is None else _alike(self._erase, clip)


def _alike(change: nn.Module, clip: torch.Tensor) -> torch.Tensor:
    """Apply a random change of kornia's with the parameters of one picture to all frames."""
    drawn = change.forward_parameters(torch.Size([1, *clip.shape[1:]]))  # type: ignore[operator]
    changed: torch.Tensor = change(clip, params=_repeated(drawn, len(clip)))
    return changed


def _repeated(drawn: object, frames: int) -> object:
    """Parameters of a batch of one picture as those of a batch of frames."""
    if isinstance(drawn, torch.Tensor):
        return drawn.repeat(frames, *[1] * (drawn.ndim - 1)) if len(drawn) == 1 else drawn
    if isinstance(drawn, dict):
        return {
            key: _shape(value, frames) if key == "forward_input_shape" else _repeated(value, frames)
            for key, value in drawn.items()
        }
    if isinstance(drawn, list):
        return [_repeated(one, frames) for one in drawn]
    if hasattr(drawn, "data") and hasattr(drawn, "name"):  # kornia's ParamItem
        return type(drawn)(drawn.name, _repeated(drawn.data, frames))  # type: ignore[call-arg]
    return drawn


def _shape(shape: torch.Tensor, frames: int) -> torch.Tensor:
    return torch.cat([shape.new_tensor([frames]), shape[1:]])


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """PyTorch's generator of the CPU with another seed, for a while; those of GPUs are not touched."""
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(state)
