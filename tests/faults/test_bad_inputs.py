"""Archives, URLs and XML from strangers: what they unpack to is limited and nothing leaves its folder."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import fsspec
import pytest

from openbasket.errors import BadInputError, OpenBasketError
from openbasket.transcripts import ImportOptions, import_files, inputs
from openbasket.workspace import Workspace

GAME = Path(__file__).resolve().parents[1] / "data" / "generic_csv"


def events(ws: Workspace) -> list[tuple]:
    return ws.read("events").sort("game_id", "order").rows()


@pytest.fixture
def plain(tmp_path) -> list[tuple]:
    ws = Workspace(tmp_path / "plain", create=True)
    import_files("generic_csv", [GAME], ws, quiet=True)
    return events(ws)


def packed(folder: Path, prefix: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, prefix + file.name)
    return buffer.getvalue()


def test_zip_gz_and_urls_give_what_the_folder_gives(tmp_path, plain):
    archive = tmp_path / "games.zip"
    archive.write_bytes(packed(GAME, "inner/folder/"))
    zipped_files = tmp_path / "gz"
    zipped_files.mkdir()
    for file in GAME.iterdir():
        (zipped_files / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    memory = fsspec.filesystem("memory")
    memory.pipe("/league/games.zip", archive.read_bytes())
    for file in GAME.iterdir():
        memory.pipe(f"/league/folder/{file.name}", file.read_bytes())
    given = [archive, zipped_files, "memory://league/games.zip", "memory://league/folder"]
    for number, source in enumerate(given):
        ws = Workspace(tmp_path / f"ws-{number}", create=True)
        import_files("auto", [source], ws, quiet=True)
        assert events(ws) == plain


def test_a_damaged_file_in_an_archive_is_named_by_the_archive(tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(GAME, broken)
    (broken / "events.csv").write_text("game_id\nx\n")
    archive = tmp_path / "games.zip"
    archive.write_bytes(packed(broken))
    with pytest.raises(BadInputError) as caught:
        import_files("generic_csv", [archive], Workspace(tmp_path / "ws", create=True), quiet=True)
    assert f"{archive}!/events.csv" in str(caught.value)
    assert "openbasket-" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "C:/evil.csv"]
)
def test_entries_outside_the_folder_are_refused(tmp_path, name):
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(name, "x")
    with pytest.raises(BadInputError, match="entries inside the archive"):
        import_files("auto", [archive], Workspace(tmp_path / "ws", create=True), quiet=True)
    assert not list(tmp_path.rglob("evil.csv"))
    assert not Path("/etc/evil.csv").exists()


def test_bombs_are_refused(tmp_path, monkeypatch):
    ws = Workspace(tmp_path / "ws", create=True)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("events.csv", b"0" * 30_000_000)
    with pytest.raises(BadInputError, match="times the packed size"):
        import_files("auto", [bomb], ws, quiet=True)
    single = tmp_path / "events.csv.gz"
    single.write_bytes(gzip.compress(b"0" * 30_000_000, 9))
    with pytest.raises(BadInputError, match="times the packed size"):
        import_files("auto", [single], ws, quiet=True)
    monkeypatch.setattr(inputs, "MAX_UNPACKED", 1000)
    whole = tmp_path / "whole.zip"
    whole.write_bytes(packed(GAME))
    with pytest.raises(BadInputError, match="at most 1,000"):
        import_files("auto", [whole], ws, quiet=True)
    monkeypatch.setattr(inputs, "MAX_UNPACKED", 8 * 1024**3)
    monkeypatch.setattr(inputs, "MAX_FILES", 2)
    with pytest.raises(BadInputError, match="at most 2"):
        import_files("auto", [whole], ws, quiet=True)


def test_archives_in_archives_and_half_archives_are_refused(tmp_path):
    ws = Workspace(tmp_path / "ws", create=True)
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("inner.zip", packed(GAME))
    with pytest.raises(BadInputError, match="plain files"):
        import_files("auto", [outer], ws, quiet=True)
    half = tmp_path / "half.zip"
    half.write_bytes(packed(GAME)[:-40])
    with pytest.raises(BadInputError, match="whole archive"):
        import_files("auto", [half], ws, quiet=True)
    half = tmp_path / "half.csv.gz"
    half.write_bytes(gzip.compress(b"game_id\n" * 1000)[:-12])
    with pytest.raises(BadInputError, match="whole archive"):
        import_files("auto", [half], ws, quiet=True)
    tar = tmp_path / "games.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(GAME, "games")
    with pytest.raises(OpenBasketError):
        import_files("auto", [tar], ws, quiet=True)


@pytest.mark.parametrize(
    "url", ["memory://nothing/there.json", "nonsense://x/y", "http://127.0.0.1:9/x.json"]
)
def test_urls_that_cannot_be_read_are_named(tmp_path, url):
    with pytest.raises(BadInputError, match=url):
        import_files("auto", [url], Workspace(tmp_path, create=True), quiet=True)


LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE file [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>
<file><ALL_INSTANCES><instance><ID>1</ID><start>0</start><end>1</end><code>&c;</code></instance></ALL_INSTANCES></file>
"""
OUTSIDE = """<?xml version="1.0"?>
<!DOCTYPE file [<!ENTITY a SYSTEM "file:///etc/hostname">]>
<file><ALL_INSTANCES><instance><ID>1</ID><start>0</start><end>1</end><code>&a;</code></instance></ALL_INSTANCES></file>
"""


@pytest.mark.parametrize("text", [LAUGHS, OUTSIDE], ids=["billion laughs", "external entity"])
def test_entities_in_xml_are_refused(tmp_path, text):
    file = tmp_path / "timeline.xml"
    file.write_text(text)
    options = ImportOptions(season="22-23")
    with pytest.raises(BadInputError, match="a document type or an entity"):
        import_files(
            "sportscode",
            [file],
            Workspace(tmp_path / "ws", create=True),
            options=options,
            quiet=True,
        )
