"""Bad transcripts: a clear error that names file, row and field; nothing is written."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from openbasket.errors import BadInputError, UnknownNameError
from openbasket.transcripts import import_files
from openbasket.transcripts.check import check
from openbasket.workspace import Workspace

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture
def csvs(tmp_path) -> Path:
    return Path(shutil.copytree(DATA / "generic_csv", tmp_path / "league"))


@pytest.fixture
def live(tmp_path) -> Path:
    return Path(shutil.copytree(DATA / "euroleague", tmp_path / "game"))


def refused(folder: Path, tmp_path: Path, provider: str = "generic_csv") -> BadInputError:
    ws = Workspace(tmp_path / "ws", create=True)
    before = {p for p in ws.root.rglob("*") if p.name != ".lock"}
    with pytest.raises(BadInputError) as caught:
        import_files(provider, [folder], ws, quiet=True)
    assert {p for p in ws.root.rglob("*") if p.name != ".lock"} == before
    return caught.value


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_unknown_kinds_and_bad_cells_are_reported_together(csvs, tmp_path):
    edit(csvs / "events.csv", "HER,h1,assist", "HER,h1,asist")
    edit(csvs / "events.csv", "true,3,2.1", "true,4,2.1")
    edit(csvs / "games.csv", "women", "womens")
    text = str(refused(csvs, tmp_path))
    assert "events.csv, row 2, field 'kind': got 'asist'" in text
    assert "'assist'" in text
    assert "events.csv, row 1, field 'value': got 4" in text
    assert "games.csv, row 0, field 'gender': got 'womens'" in text


def test_events_of_unknown_players_teams_and_games(csvs, tmp_path):
    edit(csvs / "events.csv", "HER,h2,field_goal", "HER,h99,field_goal")
    edit(csvs / "events.csv", "OWL,o1,steal", "BAT,o1,steal")
    text = str(refused(csvs, tmp_path))
    assert "got 'h99'; allowed: a player on the roster of game 'cup-1'" in text
    assert "got 'BAT'; allowed: 'HER' or 'OWL'" in text
    edit(csvs / "events.csv", "HER,h99,field_goal", "HER,h2,field_goal")
    edit(csvs / "events.csv", "BAT,o1,steal", "OWL,o1,steal")
    edit(csvs / "events.csv", "cup-1,1,09:17", "cup-7,1,09:17")
    assert "'cup-7'; allowed: a game" in str(refused(csvs, tmp_path))


def test_a_clock_that_runs_backwards(csvs, tmp_path):
    edit(csvs / "events.csv", "cup-1,1,08:55", "cup-1,1,09:55")
    text = str(refused(csvs, tmp_path))
    assert "row 9, field 'clock_s': got 595.0 after 542.0 in period 1" in text


def test_an_unreadable_clock(csvs, tmp_path):
    edit(csvs / "events.csv", "08:55", "8:75")
    assert "row 9, field 'clock': got '8:75'; allowed: MM:SS" in str(refused(csvs, tmp_path))


def test_duplicate_event_ids(csvs, tmp_path):
    lines = (csvs / "events.csv").read_text().splitlines()
    rows = [f"{line},{'event_id' if i == 0 else min(i, 5)}" for i, line in enumerate(lines)]
    (csvs / "events.csv").write_text("\n".join(rows) + "\n")
    error = refused(csvs, tmp_path)
    assert "event_id='5' more than once" in str(error)
    assert len(error.problems) == len(rows) - 5


@pytest.mark.parametrize("name", ["games.csv", "events.csv"])
def test_an_empty_or_missing_file(csvs, tmp_path, name):
    (csvs / name).write_text("")
    assert f"{name}: got an empty file" in str(refused(csvs, tmp_path))
    (csvs / name).unlink()
    assert f"{name}: got no such file" in str(refused(csvs, tmp_path))


def test_truncated_json(live, tmp_path):
    file = live / "E2023_1_PlaybyPlay.json"
    file.write_text(file.read_text()[:500])
    text = str(refused(live, tmp_path, "euroleague"))
    assert "E2023_1_PlaybyPlay.json" in text
    assert "is the file cut off" in text
    file.write_text("")
    assert "an empty file" in str(refused(live, tmp_path, "euroleague"))


@pytest.mark.parametrize(
    "content", ["[]", "{}", "3", '{"FirstQuarter": [1]}', '{"FirstQuarter": 7}']
)
def test_json_of_another_form(live, tmp_path, content):
    (live / "E2023_1_PlaybyPlay.json").write_text(content)
    assert "E2023_1_PlaybyPlay.json" in str(refused(live, tmp_path, "euroleague"))


def test_unknown_play_types_are_left_out_and_flagged(live, tmp_path):
    file = live / "E2023_1_PlaybyPlay.json"
    content = json.loads(file.read_text())
    content["FirstQuarter"][1]["PLAYTYPE"] = "3FGN"
    content["FirstQuarter"][3]["PLAYTYPE"] = "XX"
    file.write_text(json.dumps(content))
    ws = Workspace(tmp_path / "ws", create=True)
    report = import_files("euroleague", [live], ws, quiet=True)
    assert any("unknown kind '3FGN'" in note for note in report.notes)
    reasons = ws.read("flags").filter(check="unknown plays")["reason"].to_list()
    assert reasons == ["2 rows left out: 3FGN, XX"]


def test_a_missing_key_is_named(live, tmp_path):
    file = live / "E2023_1_Boxscore.json"
    file.write_text(file.read_text().replace('"Steals"', '"Stls"'))
    assert "field 'Steals': got no such key" in str(refused(live, tmp_path, "euroleague"))


def test_a_missing_box_score_is_flagged_and_counts_for_nothing(live, tmp_path):
    (live / "E2023_1_Boxscore.json").unlink()
    ws = Workspace(tmp_path / "ws", create=True)
    report = import_files("euroleague", [live], ws, quiet=True)
    assert any("no boxscore file" in note for note in report.notes)
    found = check(ws)
    assert found.player_games == 0
    assert found.agreement == {}
    assert any(r.startswith("no box score") for r in found.flagged[0]["reasons"])


def test_files_of_another_kind_and_folders_without_games(tmp_path):
    ws = Workspace(tmp_path / "ws", create=True)
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    with pytest.raises(BadInputError, match=r"notes\.txt: got a file of another kind"):
        import_files("euroleague", [other], ws, quiet=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInputError, match="no games"):
        import_files("euroleague", [empty], ws, quiet=True)
    with pytest.raises(BadInputError, match="no such file"):
        import_files("euroleague", [tmp_path / "nowhere"], ws, quiet=True)


def test_a_damaged_parquet_and_missing_columns(tmp_path):
    ws = Workspace(tmp_path / "ws", create=True)
    folder = tmp_path / "euroleague"
    folder.mkdir()
    (folder / "playbyplay_2022.parquet").write_bytes(b"PAR1nonsense")
    with pytest.raises(BadInputError, match=r"playbyplay_2022\.parquet.*whole parquet"):
        import_files("euroleague", [folder], ws, quiet=True)
    (folder / "playbyplay_2022.parquet").unlink()
    (folder / "playbyplay_2022.csv").write_text("_season,_gamecode,PLAYTYPE\n2022,1,TO\n")
    with pytest.raises(BadInputError, match="field 'CODETEAM': got no such column"):
        import_files("euroleague", [folder], ws, quiet=True)


def test_an_unknown_provider(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'euroleague'"):
        import_files("euroleage", [tmp_path], Workspace(tmp_path / "ws", create=True))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda raw: raw[:-400], "cut off"),
        (lambda raw: raw.replace(b"Nanterre", b"Nan\0terre"), "control character"),
        (lambda raw: raw + b"\0\0", "Extra data"),
        (lambda raw: raw.decode().encode("latin-1", "ignore"), "can't decode"),
        (lambda raw: b'{"data":' + b"[" * 200_000, "recursion"),
    ],
)
def test_damaged_json_says_what_is_wrong_with_it(tmp_path, damage, said):
    raw = gzip.decompress((DATA / "atrium" / "fixture_detail_pbp.json.gz").read_bytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "game.json").write_bytes(damage(raw))
    assert said in str(refused(folder, tmp_path, "auto"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_in_other_encodings_of_unicode(tmp_path, encoding):
    raw = gzip.decompress((DATA / "atrium" / "fixture_detail_pbp.json.gz").read_bytes())
    file = tmp_path / "game.json"
    file.write_bytes(raw.decode().encode(encoding))
    workspace = Workspace(tmp_path / "ws", create=True)
    import_files("auto", [file], workspace, quiet=True)
    assert workspace.read("games")["home_team"].to_list() == ["Saint-Quentin"]
