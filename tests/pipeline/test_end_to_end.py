"""A tiny competition from nothing to a report: every part fits the next, and nothing drifts unseen."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from openbasket.dataset.reader import SPLIT_FILES, read_split
from openbasket.dataset.verify import verify
from openbasket.skills import SKILLS
from openbasket.splits.audit import audit_workspace, gather, self_test
from openbasket.transcripts.check import check
from openbasket.video.integrity import count_frames
from openbasket.workspace import Workspace

GOLDEN = Path(__file__).parent / "golden.json"


@pytest.fixture(scope="module")
def ws(finished: Path) -> Workspace:
    return Workspace(finished / "ws")


def table_hash(frame: pl.DataFrame) -> str:
    flat = frame.with_columns(
        pl.selectors.float().round(6), pl.selectors.by_dtype(pl.List(pl.String)).list.join(" ")
    )
    text = flat.write_csv()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hashes(ws: Workspace) -> dict[str, str]:
    found = {
        name: table_hash(ws.read(name))
        for name in ("events", "stints", "box_scores", "levels", "splits")
    }
    reels = ws.read("reels").select(
        "subject_id", "position", "game_id", "event_id", "first_frame", "frames"
    )
    found["reels"] = table_hash(reels)
    for split, name in SPLIT_FILES.items():
        found[f"{split}.csv"] = hashlib.sha256((ws.root / name).read_bytes()).hexdigest()[:16]
    return found


def test_golden_hashes(ws):
    """If a change is meant: run this file with the workspace as its argument, into golden.json."""
    assert hashes(ws) == json.loads(GOLDEN.read_text())


def test_events_and_box_scores_agree(ws):
    report = check(ws)
    assert set(report.agreement.values()) == {1.0}
    assert report.flagged == []
    assert report.minutes == 1.0


def test_the_dataset_is_whole_and_without_leaks(ws):
    report = verify(ws, deep=True, quiet=True)
    assert report.faults == []
    assert report.decoded == report.videos > 0
    assert audit_workspace(ws).findings == []
    assert [kind for kind, found in self_test(gather(ws)) if not found] == []


def test_csv_labels_are_those_of_the_table(ws):
    levels = {
        (s, k): v for s, k, v in ws.read("levels").select("subject_id", "skill", "level").rows()
    }
    count = 0
    for split in SPLIT_FILES:
        for sample in read_split(ws.root, split):
            for skill, level in zip(SKILLS, sample.levels, strict=True):
                assert level == levels[sample.subject_id, skill.key]
                count += level is not None
    assert count > 100


def test_each_reel_has_the_frames_that_its_clips_add_up_to(ws):
    reels = ws.read("reels")
    for (path,), rows in reels.partition_by("path", as_dict=True).items():
        rows = rows.sort("position")
        assert rows["first_frame"].to_list() == [0, *rows["frames"].cum_sum().to_list()[:-1]]
        assert count_frames(ws.root / str(path)) == rows["frames"].sum()


def test_every_prediction_of_the_run_can_be_scored(finished):
    done = subprocess.run(
        [
            sys.executable, "-c", "from openbasket.cli import main; main()", "evaluate",
            str(finished / "predictions.parquet"), "--data", str(finished / "ws"), "--json",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    results = json.loads(done.stdout)["results"]
    runs = {r["run"] for r in results if r["split"] == "test"}
    assert {"random", "majority"} < runs
    mean = next(r for r in results if r["run"] == "random" and not r["part"])["scores"]["accuracy"][
        "mean"
    ]
    assert mean["value"] == pytest.approx(0.2)


def test_rendering_again_gives_the_same_bytes(ws, tmp_path):
    from openbasket.simulation.broadcast import RenderSettings, render_all

    again = Workspace(tmp_path / "ws", create=True)
    for table in ("games", "appearances", "events", "stints"):
        shutil.copytree(ws.private / table, again.private / table)
    game = ws.read("games")["game_id"].sort()[0]
    film = RenderSettings(dead_time_s=1.0, period_break_s=1.0, preset="ultrafast")
    render_all(again, [game], settings=film, workers=1, quiet=True)
    assert (again.videos / f"{game}.mp4").read_bytes() == (ws.videos / f"{game}.mp4").read_bytes()


if __name__ == "__main__":
    print(json.dumps(hashes(Workspace(sys.argv[1])), indent=1, sort_keys=True))
