"""Files lie where the layout says, appear whole or not at all, and stay inside the root."""

from __future__ import annotations

import json
import os
import re

import polars as pl
import pytest

from openbasket import tables, workspace
from openbasket.errors import BadInputError, NotFoundError, WorkspaceError
from openbasket.workspace import Workspace, atomic_path, remove_leftovers, safe_join


def players(*ids: str) -> pl.DataFrame:
    return pl.DataFrame({"player_id": list(ids)})


def test_tables_go_round(tmp_path):
    ws = Workspace(tmp_path / "ws", create=True)
    ws.write("players", players("p1", "p2"))
    assert ws.read("players")["player_id"].to_list() == ["p1", "p2"]
    ws.write("stints", tables.empty("stints"), "lega", "21-22")
    ws.write("stints", tables.empty("stints"), "acb", "21-22")
    assert ws.seasons("stints") == [("acb", "21-22"), ("lega", "21-22")]
    assert ws.read("stints").height == 0


def test_a_bad_table_is_not_written_and_the_old_one_stays(tmp_path):
    ws = Workspace(tmp_path, create=True)
    ws.write("players", players("p1"))
    with pytest.raises(BadInputError, match="more than once"):
        ws.write("players", players("p2", "p2"))
    assert ws.read("players")["player_id"].to_list() == ["p1"]
    assert not list(tmp_path.rglob("*tmp*"))


def test_a_missing_table_says_which_command_makes_it(tmp_path):
    ws = Workspace(tmp_path, create=True)
    with pytest.raises(NotFoundError, match="openbasket label"):
        ws.read("levels")
    with pytest.raises(NotFoundError, match="openbasket import"):
        ws.read("events")


def test_a_damaged_parquet_is_named(tmp_path):
    ws = Workspace(tmp_path, create=True)
    path = ws.write("players", players("p1"))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(BadInputError, match=r"players\.parquet.*whole parquet file"):
        ws.read("players")


def test_a_missing_workspace_is_refused(tmp_path):
    with pytest.raises(WorkspaceError, match="no workspace at"):
        Workspace(tmp_path / "nowhere")
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(WorkspaceError, match="is a file"):
        Workspace(file, create=True)


@pytest.mark.parametrize("name", ["file/ws", "w" * 300, "nul\0byte"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("x")
    for create in (True, False):
        with pytest.raises(WorkspaceError, match=r"cannot be a workspace|no workspace|be written"):
            Workspace(tmp_path / name, create=create)


def test_what_was_made_for_nothing_goes_again(tmp_path):
    Workspace(tmp_path / "a" / "ws", create=True).undo()
    assert not list(tmp_path.iterdir())
    written = Workspace(tmp_path / "ws", create=True)
    written.write("players", players("p1"))
    written.undo()
    Workspace(tmp_path / "ws", create=True).undo()
    assert written.has("players")


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        pl.exceptions.ComputeError("File too large (os error 27)"),
    ],
)
def test_a_full_disk_is_told_with_the_file(tmp_path, monkeypatch, error):
    ws = Workspace(tmp_path, create=True)

    def full(*_args, **_settings):
        raise error

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(
        WorkspaceError, match=r"players\.parquet' cannot be written: (No space|File too)"
    ):
        ws.write("players", players("p1"))
    with pytest.raises(WorkspaceError, match="No space"), atomic_path(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    assert sorted(os.listdir(tmp_path / "openbasket")) == ["workspace.json"]


def test_an_identifier_is_short_and_a_season_has_plain_digits():
    games = pl.DataFrame({"player_id": ["p" * 100]})
    assert tables.validate("players", games).height == 1
    for bad in ("p" * 101, "p\n"):
        with pytest.raises(BadInputError, match="player_id"):
            tables.validate("players", pl.DataFrame({"player_id": [bad]}))


def test_an_official_download_without_our_folder_is_a_workspace(tmp_path):
    (tmp_path / "BASKET_Labels").mkdir()
    assert Workspace(tmp_path).official_labels.is_dir()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"layout": 99}', "newer openbasket"),
        ('{"layout": 0}', "names layout 0"),
        ('{"layout": "two"}', "names layout 'two'"),
        ("{}", "damaged"),
        ("[1]", "damaged"),
        ("{", "damaged"),
    ],
)
def test_a_workspace_of_another_version_is_refused(tmp_path, content, message):
    ws = Workspace(tmp_path, create=True)
    (ws.private / "workspace.json").write_text(content)
    with pytest.raises(WorkspaceError, match=message):
        Workspace(tmp_path)


def test_an_error_leaves_nothing_behind_and_the_old_file_whole(tmp_path):
    target = tmp_path / "file.txt"
    workspace.write_text(target, "old")

    def interrupted() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    with atomic_path(tmp_path / "a" / "file.txt") as temporary:
        temporary.write_text("x")
        killed = temporary.name.replace(f"-{os.getpid()}-", "-4194305-")  # no such process
        copy = temporary.with_name(killed)
        copy.write_text("half")
    assert remove_leftovers(tmp_path) == 1
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["file.txt"]


def test_equal_json_gives_equal_bytes(tmp_path):
    one = workspace.write_json(tmp_path / "1.json", {"b": 1, "a": 2}).read_bytes()
    two = workspace.write_json(tmp_path / "2.json", {"a": 2, "b": 1}).read_bytes()
    assert one == two
    assert json.loads(one) == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    "part", ["../x", "/etc/passwd", "a/../../b", "C:\\x", "a\x00b", "a\\..\\b", "a\nb"]
)
def test_paths_that_leave_the_root_are_refused(tmp_path, part):
    with pytest.raises(WorkspaceError, match="would lead out"):
        safe_join(tmp_path, part)


def test_a_link_that_leaves_the_root_is_refused(tmp_path):
    inside = tmp_path / "root"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    with pytest.raises(WorkspaceError, match="through a link"):
        safe_join(inside, "link/secret")


def test_a_reel_lies_where_the_official_layout_puts_it(tmp_path):
    ws = Workspace(tmp_path, create=True)
    path = ws.reel_path("P7", "euroleague", "21-22")
    assert path.relative_to(tmp_path).as_posix() == "BASKET/21-22/euroleague/P7_21_22.mp4"
    second = ws.reel_path("P7", "euroleague", "21-22", draw=1)
    assert second.relative_to(tmp_path).as_posix() == "BASKET_draw1/21-22/euroleague/P7_21_22.mp4"


def test_seasonal_tables_need_a_season_and_others_take_none(tmp_path):
    ws = Workspace(tmp_path, create=True)
    with pytest.raises(ValueError, match="by season"):
        ws.table_path("events")
    with pytest.raises(ValueError, match="not by season"):
        ws.table_path("players", "acb", "21-22")


def test_files_that_a_living_process_writes_are_no_leftovers(tmp_path):
    with atomic_path(tmp_path / "a.txt") as mine:
        gone = tmp_path / mine.name.replace(f"-{os.getpid()}-", "-4194305-")  # no such process
        gone.write_text("half")
        elsewhere = tmp_path / re.sub("tmp-[0-9a-f]{8}", "tmp-00000000", gone.name)
        elsewhere.write_text("half")
        old = tmp_path / f"{elsewhere.name}.old"
        old.write_text("half")
        os.utime(old, (0, 0))
        assert remove_leftovers(tmp_path) == 2
        assert (mine.exists(), gone.exists(), elsewhere.exists(), old.exists()) == (
            True,
            False,
            True,
            False,
        )
    assert (tmp_path / "a.txt").exists()
