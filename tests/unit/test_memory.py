"""What an import does with the collector and with threads."""

from __future__ import annotations

import gc
import os

import polars as pl
import pytest

from openbasket import memory, transcripts
from openbasket.memory import seldom_collected


def test_the_setting_of_the_collector_comes_back_after_an_error() -> None:
    before = gc.get_threshold()
    during = []

    @seldom_collected()
    def work() -> None:
        during.append(gc.get_threshold()[0])
        raise ValueError("bad row")

    with pytest.raises(ValueError, match="bad row"):
        work()
    assert during == [max(before[0], memory.OBJECTS)]
    assert gc.get_threshold() == before


def test_a_collector_that_is_off_stays_off() -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(0)
        with seldom_collected():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_season_is_written_beside_the_next_only_where_there_are_threads(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pl, "thread_pool_size", lambda: threads)
    with transcripts._writer() as writer:
        at_once = isinstance(writer, transcripts._AtOnce)
        assert at_once == (threads == 1)
        assert writer.submit(divmod, 7, 2).result() == (3, 1)


def test_freed_memory_is_kept_where_glibc_is_and_nobody_has_set_it_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Libc:
        def mallopt(self, setting: int, _value: int) -> int:
            asked.append(setting)
            return 1

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: Libc())
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    for libc, kept in (("glibc", True), ("musl", False), ("", False)):
        monkeypatch.setattr(memory.platform, "libc_ver", lambda libc=libc: (libc, "2.36"))
        assert memory.keep_freed.__wrapped__() is kept
    assert asked == [-3, -1]
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    assert not memory.keep_freed.__wrapped__()
