"""The job runner keeps going when a job fails or its process dies."""

from __future__ import annotations

import os

import pytest

from openbasket.engine import run


def work(n: int) -> int:
    if n == 3:
        raise ValueError("three is bad")
    return n * n


def die(n: int) -> int:
    if n == 0:
        os._exit(9)
    return n


@pytest.mark.parametrize("workers", [1, 2])
def test_outcomes_keep_the_order_and_record_errors(workers):
    outcomes = run(work, range(6), describe="squares", workers=workers, quiet=True)
    assert [o.item for o in outcomes] == list(range(6))
    assert [o.result for o in outcomes] == [0, 1, 4, None, 16, 25]
    assert outcomes[3].error == "ValueError: three is bad"
    assert "Traceback" in outcomes[3].details
    assert [o.error for o in outcomes if o.item != 3] == [None] * 5


def test_a_process_that_dies_is_recorded():
    outcomes = run(die, [0, 1], describe="die", workers=2, quiet=True)
    assert "BrokenProcessPool" in (outcomes[0].error or "")


def test_no_jobs():
    assert run(work, [], describe="nothing", quiet=True) == []
