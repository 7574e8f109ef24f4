"""Two builds of one draw, and the lock of one that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from faults import killing

from openbasket.errors import WorkspaceError
from openbasket.reels import ClipSettings, ReelSettings, build

HOLD = """
import sys
from openbasket.workspace import Workspace
with Workspace(sys.argv[1]).alone("makes reels of draw 0"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_build_of_a_draw_is_refused_until_the_first_ends_or_is_killed(tmp_path):
    workspace = killing.filmed(tmp_path / "ws", games=1, plays=4)
    clip = ClipSettings(0.5, 0.5, preset="ultrafast")

    def made(draw: int) -> int:
        return build(workspace, ReelSettings(1, 1, draw, clip=clip), workers=1, quiet=True).reels

    words = [sys.executable, "-c", HOLD, str(workspace.root)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(WorkspaceError, match="another process makes reels of draw 0"):
            made(0)
        assert not list((workspace.root / "BASKET").rglob("*.mp4"))
        assert made(1) == killing.PLAYERS
        os.kill(other.pid, signal.SIGKILL)
    assert made(0) == killing.PLAYERS
