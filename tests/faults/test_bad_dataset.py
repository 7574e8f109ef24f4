"""Bad datasets and predictions at the command line: exit codes, one clear error, no traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import numbered

from openbasket import tables
from openbasket.dataset.reader import SPLIT_FILES
from openbasket.skills import OFFICIAL_ORDER
from openbasket.workspace import Workspace, write_text


def openbasket(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", "from openbasket.cli import main; main()", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert [word for word in words if word not in done.stderr] == []


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    """The official layout with two reels, and nothing of ours."""
    root = tmp_path_factory.mktemp("official")
    lines = [",".join(["path", *(s.name for s in OFFICIAL_ORDER)])]
    for player in "ab":
        name = f"BASKET/21-22/L/{player}_21_22.mp4"
        numbered(root / name, 10, width=704, height=400)
        lines.append(",".join([name, *["2"] * 20]))
    write_text(root / SPLIT_FILES["test"], "\n".join(lines) + "\n")
    return root


@pytest.fixture
def dataset(official, tmp_path) -> Path:
    return shutil.copytree(official, tmp_path / "data")


def test_a_good_download_verifies_with_exit_code_0(dataset):
    done = openbasket("verify", dataset, "--deep", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "2 rows, 2 reels, 2 decoded whole: 0 faults" in done.stdout


def test_a_missing_reel_is_exit_code_1(dataset):
    (dataset / "BASKET/21-22/L/a_21_22.mp4").unlink()
    done = openbasket("verify", dataset, "--json")
    assert done.returncode == 1
    [fault] = json.loads(done.stdout)["faults"]
    assert fault == {"what": "BASKET/21-22/L/a_21_22.mp4", "fault": "the file is missing"}


def test_a_truncated_reel_is_exit_code_1(dataset):
    path = dataset / "BASKET/21-22/L/b_21_22.mp4"
    path.write_bytes(path.read_bytes()[:500])
    done = openbasket("verify", dataset, "--quiet")
    assert done.returncode == 1
    assert "b_21_22.mp4" in done.stdout
    assert "1 fault\n" in done.stdout


def test_a_bad_csv_is_exit_code_1_for_verify_and_2_for_evaluate(dataset):
    path = dataset / SPLIT_FILES["test"]
    write_text(path, path.read_text().replace(",2\n", ",7\n"))
    done = openbasket("verify", dataset, "--quiet")
    assert done.returncode == 1
    assert done.stdout.count("got '7'; allowed: a whole number from 0 to 4") == 2
    done = openbasket("evaluate", dataset / "none.parquet", "--data", dataset)
    refused(done, "2 problems", "test.csv, row 0", "test.csv, row 1")


def test_bad_predictions_are_exit_code_2(dataset):
    refused(
        openbasket("evaluate", dataset / "none.parquet", "--data", dataset),
        "none.parquet", "no such file",
    )  # fmt: skip
    text = write_text(dataset / "p.parquet", "no parquet")
    refused(openbasket("evaluate", text, "--data", dataset), "a whole parquet file")
    empty = tables.empty("predictions")
    Workspace.write_file("predictions", empty, dataset / "p.parquet")
    refused(openbasket("evaluate", text, "--data", dataset), "no rows")


def test_a_folder_that_is_no_dataset_is_exit_code_2(tmp_path):
    (tmp_path / "ws").mkdir()
    refused(openbasket("build", tmp_path / "ws"), "openbasket label")
    refused(openbasket("reels", tmp_path / "ws"), "openbasket label")
    refused(
        openbasket("evaluate", tmp_path / "p.parquet", "--data", tmp_path / "ws"), "has no split"
    )
    assert openbasket("verify", tmp_path / "ws").returncode == 1  # looked, and found nothing


@pytest.mark.parametrize(
    "words",
    [
        ("--events", 5, "--min-events", 6),
        ("--before", 100, "--after", 100),
        ("--few", "kept"),
        ("--overlap", "both"),
        ("--check", "hole"),
    ],
)
def test_settings_out_of_range_are_exit_code_2(tmp_path, words):
    (tmp_path / "ws").mkdir()
    refused(openbasket("reels", tmp_path / "ws", *words), "allowed")
