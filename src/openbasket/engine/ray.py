"""Run jobs on a Ray cluster: one task a job, begun anew elsewhere when a node dies.

The only module that imports ray.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from openbasket.engine.jobs import Done, attempt
from openbasket.errors import ConfigError, DependencyError

__all__ = ["at_once", "cluster", "outcomes"]

Item = TypeVar("Item")

#: How often a job is begun anew whose process or node died.
RETRIES = 3
#: Jobs handed to Ray for each one that can run, so that no core waits for the next.
QUEUED = 2


@contextmanager
def cluster(address: str | None, workers: int | None) -> Iterator[None]:
    """Connect to the cluster at ``address``, or run one of this machine's cores until the block ends.

    Raises:
        DependencyError: Ray is not installed.
        ConfigError: no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise DependencyError(
            "--engine ray needs 'ray'. Install it with: pip install 'openbasket[ray]'"
        ) from None
    if ray.is_initialized():  # a program that uses Ray itself
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = (
        {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    )
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.WARNING, **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"no Ray cluster can be used at '{address}' ({str(error)[:200]}). Give the address that "
            "'ray start --head' printed, such as 10.0.0.1:6379, or leave --address out"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def at_once(jobs: int, workers: int | None) -> int:
    """Jobs that the cluster can run at the same time: one on each core."""
    import ray

    cores = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
    return max(1, min(cores, workers or cores, jobs))


def outcomes(
    function: Callable[[Item], Any], items: Sequence[Item], workers: int | None
) -> Iterator[tuple[int, Done]]:
    """Yield (place of the item, what came of it), as jobs end.

    Only so many jobs are in the hands of Ray that its queue stays short. Nodes that join are used.
    """
    import ray

    task: Any = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(attempt)
    waiting = iter(range(len(items)))
    running: dict[Any, int] = {}
    try:
        while True:
            most = workers or QUEUED * at_once(len(items), None)
            for index in waiting:
                running[task.remote(function, items[index])] = index
                if len(running) >= most:
                    break
            if not running:
                return
            for ref in ray.wait(list(running))[0]:
                index = running.pop(ref)
                try:
                    done = Done(*ray.get(ref))
                except ray.exceptions.RayTaskError as error:
                    told = str(error).strip().splitlines()[-1]
                    done = Done(None, f"Ray could not run it: {told}", str(error))
                except ray.exceptions.RayError as error:
                    kind = type(error).__name__
                    told = f"its process or node died again and again ({kind})"
                    done = Done(None, told, str(error))
                yield index, done
    finally:
        for ref in running:
            ray.cancel(ref, force=True)
