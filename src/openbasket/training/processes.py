"""One process or several: what ``accelerate launch`` starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TypeVar, cast

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from accelerate.utils import DistributedType, broadcast_object_list, gather_object
from torch.utils.data import DataLoader

from openbasket.errors import ConfigError, OpenBasketError
from openbasket.memory import keep_freed
from openbasket.progress import bar
from openbasket.training.config import Recipe
from openbasket.training.data import Item, Items, shares
from openbasket.training.faults import batches as handed

__all__ = ["make_accelerator", "on_main", "over_shares"]

Result = TypeVar("Result")
#: Processes wait so long for the main one, which may be reading the frames of many videos.
PATIENCE = timedelta(days=2)
_OTHERS = (DistributedType.DEEPSPEED, DistributedType.FSDP, DistributedType.MEGATRON_LM)


def make_accelerator(recipe: Recipe) -> Accelerator:
    """Find this process's device, and its peers.

    The recipe alone decides on precision and accumulation; what ``accelerate config`` says of them is not
    heeded. A model of the user's own may leave weights unused; ours do not.

    Raises:
        ConfigError: launched with DeepSpeed, FSDP or Megatron.
    """
    keep_freed()
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),
        mixed_precision="no",
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=PATIENCE),
            DistributedDataParallelKwargs(find_unused_parameters=":" in recipe.model.name),
        ],
    )
    if accelerator.distributed_type in _OTHERS:
        raise ConfigError(
            f"launched with {accelerator.distributed_type.value}; allowed: one process, or several with "
            "'accelerate launch --multi_gpu --num_processes N'"
        )
    return accelerator


def on_main(accelerator: Accelerator, job: Callable[[], Result]) -> Result:
    """Do a job in the main process; all processes get its result.

    Raises:
        OpenBasketError: that of the job, in the main process; the others exit with 2, silently.
    """
    if accelerator.num_processes == 1:
        return job()
    outcome: list[object] = [None, False]
    error: OpenBasketError | None = None
    if accelerator.is_main_process:
        try:
            outcome[0] = job()
        except OpenBasketError as caught:
            error, outcome[1] = caught, True
    broadcast_object_list(outcome)
    if error is not None:
        raise error
    if outcome[1]:
        raise SystemExit(2)
    return cast("Result", outcome[0])


def over_shares(
    accelerator: Accelerator,
    recipe: Recipe,
    dataset: Items,
    keys: Sequence[tuple[int, int]],
    answer: Callable[[torch.Tensor, torch.Tensor], Iterable[Result]],
    *,
    describe: str,
    quiet: bool = False,
) -> list[Result]:
    """Ask for each of the clips once, shared out over the processes, without gradients.

    Args:
        accelerator: of this process.
        recipe: of the run.
        dataset: the clips.
        keys: of the clips that are wanted.
        answer: takes a batch of clips ``(B, 3, T, H, W)`` on the device, and the places of their subjects.
        describe: what the progress bar calls it.
        quiet: show no progress.

    Returns:
        What was answered, of all processes, the same in all of them; in no order.
    """
    batches = shares(
        keys, recipe.train.batch_size, accelerator.process_index, accelerator.num_processes
    )
    loader: DataLoader[Item] = DataLoader(
        dataset, batch_sampler=batches, num_workers=recipe.train.loader_workers
    )
    found: list[Result] = []
    with torch.no_grad(), bar(describe, len(batches), quiet=quiet) as advance:
        for number, (clips, _, subjects) in enumerate(handed(loader), start=1):
            found += answer(clips.to(accelerator.device), subjects)
            advance(1, f"{number:,}/{len(batches):,}")
    return cast("list[Result]", gather_object(found))
