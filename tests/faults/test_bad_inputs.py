"""Archives, URLs and XML from strangers: what they unpack to is limited and nothing leaves its folder."""

from __future__ import annotations

import gzip
import http.server
import io
import json
import os
import shutil
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from openbasket.errors import BadInputError, OpenBasketError
from openbasket.errors import plain as without_controls
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


def refused(given: Path | str, tmp_path: Path) -> str:
    """The error's text, without what the input is called."""
    with pytest.raises(BadInputError) as caught:
        import_files("auto", [given], Workspace(tmp_path / "ws", create=True), quiet=True)
    assert without_controls(str(given)) in str(caught.value)
    return str(caught.value)


def test_a_bomb_writes_little(tmp_path, monkeypatch):
    """What is refused is refused before much of it is on the disk."""
    bomb = tmp_path / "events.csv.gz"
    packer, piece = io.BytesIO(), bytes(1024 * 1024)
    with gzip.GzipFile(fileobj=packer, mode="wb", compresslevel=9) as file:
        for _ in range(300):
            file.write(piece)
    # Members one after the other are one file: ten times the same.
    bomb.write_bytes(packer.getvalue() * 10)
    written = []
    copy = inputs._copy

    def measured(source, out, *args, **kwargs):
        try:
            copy(source, out, *args, **kwargs)
        finally:
            written.append(out.stat().st_size)

    monkeypatch.setattr(inputs, "_copy", measured)
    assert "200 times the packed size" in refused(bomb, tmp_path)
    assert written[0] < 100 * 1024**2


def test_many_small_archives_share_one_limit(tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.csv.gz").write_bytes(gzip.compress(os.urandom(500)))
    monkeypatch.setattr(inputs, "MAX_UNPACKED", 2000)
    with pytest.raises(BadInputError, match="at most 2,000"):
        import_files("auto", [folder], Workspace(tmp_path / "ws", create=True), quiet=True)


def test_packed_files_of_other_kinds_say_so(tmp_path):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.add(GAME, "games")
    for name, content, said in (
        ("games.tar", tar.getvalue(), "a tar archive"),
        ("games.tar.gz", gzip.compress(tar.getvalue()), "a packed tar archive"),
        ("games.tgz", gzip.compress(tar.getvalue()), "a packed tar archive"),
        ("games.7z", b"7z\xbc\xaf\x27\x1c0000", "a 7z archive"),
        ("games.csv.bz2", b"BZh91AY&SY", "a bz2 file"),
        ("games.csv.xz", b"\xfd7zXZ\x00", "an xz file"),
    ):
        (tmp_path / name).write_bytes(content)
        assert said in refused(tmp_path / name, tmp_path)
    workbook = tmp_path / "games.xlsx"
    with zipfile.ZipFile(workbook, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    assert "save the table as CSV" in refused(workbook, tmp_path)


def test_odd_archives(tmp_path):
    locked = tmp_path / "locked.zip"
    locked.write_bytes(
        packed(GAME).replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    )
    assert "the encrypted entry" in refused(locked, tmp_path)
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w"):
        pass
    assert "no games" in refused(empty, tmp_path)
    for name in ("", "."):
        nameless = tmp_path / "nameless.zip"
        with zipfile.ZipFile(nameless, "w") as archive:
            archive.writestr(zipfile.ZipInfo(name), "x")
        refused(nameless, tmp_path)
    twice = tmp_path / "twice.zip"
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("a/events.csv", "x")
        archive.writestr("a\\events.csv", "y")
    assert "each entry once" in refused(twice, tmp_path)


def test_a_zip_may_hold_gz_and_what_systems_leave_behind(tmp_path, plain):
    archive = tmp_path / "games.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for source in GAME.iterdir():
            file.writestr(f"league/{source.name}.gz", gzip.compress(source.read_bytes()))
            file.writestr(f"__MACOSX/league/._{source.name}.zip", b"\x00\x05\x16\x07")
        file.writestr("league/.DS_Store", b"\x00")
    ws = Workspace(tmp_path / "ws", create=True)
    report = import_files("auto", [archive], ws, quiet=True)
    assert events(ws) == plain
    assert not any("not read" in note for note in report.notes)


def test_links_and_hidden_files(tmp_path, plain):
    folder = tmp_path / "in"
    (folder / ".git").mkdir(parents=True)
    shutil.copy(GAME / "events.csv", folder / ".git")
    (folder / "inner").symlink_to(GAME)
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere").symlink_to(tmp_path / "nothing")
    ws = Workspace(tmp_path / "ws", create=True)
    import_files("auto", [folder], ws, quiet=True)
    assert events(ws) == plain


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    assert "a pipe, socket or device" in refused(pipe, tmp_path)
    assert "a pipe, socket or device" in refused("/dev/zero", tmp_path)
    assert "no games" in refused(tmp_path, tmp_path)


def test_names_that_are_no_files(tmp_path):
    assert "no such file" in refused(tmp_path / "nothing", tmp_path)
    assert "too long" in refused("x" * 5000, tmp_path)
    refused("nul\0byte", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_what_may_not_be_read_is_named(tmp_path):
    file = tmp_path / "events.csv"
    file.write_text("x")
    file.chmod(0)
    assert "Permission denied" in refused(file, tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0)
    assert "Permission denied" in refused(folder, tmp_path)
    folder.chmod(0o700)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.encode("utf-8-sig"), id="UTF-8 with a mark"),
        pytest.param(lambda text: text.encode("utf-16"), id="UTF-16"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="Windows lines"),
        pytest.param(lambda text: ("\n \n" + text).encode(), id="blank lines first"),
        pytest.param(lambda text: text.replace(",", ";").encode(), id="semicolons"),
        pytest.param(lambda text: text.replace(",", "\t").encode("utf-16"), id="tabs, UTF-16"),
        pytest.param(lambda text: text.replace("true,3,", "TRUE,3.0,").encode(), id="floats"),
        pytest.param(lambda text: text.replace("09:41", '"09:41"').encode(), id="quotes"),
    ],
)
@pytest.mark.parametrize("rename", [str.lower, str.title, str.upper])
def test_csv_as_people_save_it(change, rename, tmp_path, plain):
    folder = tmp_path / "in"
    folder.mkdir()
    for file in GAME.iterdir():
        (folder / rename(file.name)).write_bytes(change(file.read_text(encoding="utf-8")))
    ws = Workspace(tmp_path / "ws", create=True)
    import_files("auto", [folder], ws, quiet=True)
    assert events(ws) == plain


def test_csv_that_is_not_utf_8_is_refused(tmp_path):
    folder = tmp_path / "in"
    shutil.copytree(GAME, folder)
    file = folder / "players.csv"
    file.write_bytes(file.read_text().replace("Ana Vale", "Ana Vallée").encode("latin-1"))
    assert "in UTF-8" in refused(folder, tmp_path)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves a zip, an error, half an answer, or nothing at all."""

    def do_GET(self) -> None:
        if self.path == "/stalled.zip":
            self.server.gate.wait(30)
            return
        self.send_response({"/gone.zip": 404, "/broken.zip": 500}.get(self.path, 200))
        content = packed(GAME)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:100] if self.path == "/half.zip" else content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        running.gate = threading.Event()
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.gate.set()
        running.shutdown()


def test_files_of_a_server(server, tmp_path, plain, monkeypatch):
    ws = Workspace(tmp_path / "one", create=True)
    import_files("auto", [f"{server}/games.zip?season=22&x=a/b"], ws, quiet=True)
    assert events(ws) == plain
    import_files("auto", [f"file://{GAME}"], Workspace(tmp_path / "two", create=True), quiet=True)
    monkeypatch.setattr(inputs, "TIMEOUT_S", 0.3)
    assert "404" in refused(f"{server}/gone.zip", tmp_path)
    assert "500" in refused(f"{server}/broken.zip", tmp_path)
    assert "timed out" in refused(f"{server}/stalled.zip", tmp_path)
    refused(f"{server}/half.zip", tmp_path)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        assert "timed out" in refused(f"http://127.0.0.1:{mute.getsockname()[1]}/x.json", tmp_path)


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


def test_half_a_character_in_json_becomes_a_question_mark(tmp_path):
    data = GAME.parent / "atrium" / "fixture_detail_pbp.json.gz"
    text = gzip.decompress(data.read_bytes()).decode()
    file = tmp_path / "game.json"
    assert "Saint-Quentin" in text
    for encoding, half in (("utf-8", "\\ud800"), ("utf-16", "\\uDC01"), ("utf-8", "\udfff")):
        odd = text.replace("Saint-Quentin", f"Saint{half} \\ud83c\\udfc0")
        file.write_bytes(odd.encode(encoding, errors="surrogatepass"))
        ws = Workspace(tmp_path / "ws", create=True)
        import_files("auto", [file], ws, quiet=True)
        assert ws.read("games")["home_team"].to_list() == ["Saint? \U0001f3c0"]


@pytest.mark.parametrize("url", ["reference://", "data://,x", "dir://x"])
def test_every_error_of_a_file_system_names_the_url(tmp_path, url):
    refused(url, tmp_path)


def test_folders_of_file_systems_share_the_limit_and_stay_inside(tmp_path, monkeypatch):
    memory = fsspec.filesystem("memory")
    for number in range(10):
        memory.pipe(f"/many/{number}.csv", bytes(500))
    memory.pipe("/many/.git/x.csv", bytes(5000))
    monkeypatch.setattr(inputs, "MAX_UNPACKED", 2000)
    assert "at most 2,000" in refused("memory://many", tmp_path)
    monkeypatch.setattr(inputs, "MAX_UNPACKED", 5000)
    monkeypatch.setattr(inputs, "MAX_FILES", 5)
    assert "at most 5" in refused("memory://many", tmp_path)
    monkeypatch.setattr(inputs, "MAX_FILES", 11)
    told = refused("memory://many", tmp_path)
    assert "memory://many/0.csv: got" in told
    assert "openbasket-" not in told


def test_packed_files_that_were_read_are_not_told_as_unread(tmp_path, plain):
    folder = tmp_path / "in"
    folder.mkdir()
    for file in GAME.iterdir():
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    ws = Workspace(tmp_path / "ws", create=True)
    assert not any("not read" in n for n in import_files("auto", [folder], ws, quiet=True).notes)
    (folder / "strange.gz").write_bytes(b"plain text")
    notes = import_files("auto", [folder], ws, quiet=True).notes
    assert "1 other file was not read: strange.gz" in notes
    (folder / "twice.gz").write_bytes(gzip.compress(gzip.compress(b"x")))
    assert "a packed file in a gz" in refused(folder, tmp_path)


def test_files_that_are_no_games_are_named_for_what_they_are(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    said = {
        "empty.json": (b"", "an empty file"),
        "blank.json": (b" \n ", "an empty file"),
        "error.json": (b"\n<!doctype HTML><html>404</html>", "a web page (HTML)"),
        "half.json": (b'{"a": ', "is the file cut off?"),
        "table.parquet": (b"PAR1nonsense", "a damaged parquet file"),
        "book.xlsx": (b"PK\x03\x04", "a packed file (or one of Excel or Word)"),
        "notes.txt": (b"hello", "a file of another kind"),
    }
    for name, (content, _) in said.items():
        (folder / name).write_bytes(content)
    lines = {line.split(": ")[0].split("/")[-1].split(",")[0]: line
             for line in refused(folder, tmp_path).splitlines()}  # fmt: skip
    for name, (_, words) in said.items():
        assert words in lines[name]
    assert "files of auto" not in str(lines)
    for name in ("empty.json", "error.json"):
        assert said[name][1] in refused(folder / name, tmp_path)
    for number in range(20):
        (folder / f"{number}.txt").write_text("x")
    assert "no games in 27 files" in refused(folder, tmp_path)


@pytest.mark.parametrize("name", ["a.zip", "a-rather-long-name.zip"])
def test_no_temporary_place_shows_in_errors(tmp_path, name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x\x07\ny.json", json.dumps({"a": 1}))
        archive.writestr("z" * 300 if len(name) > 10 else "z.json", "{")
    fsspec.filesystem("memory").pipe(f"/odd/{name}", buffer.getvalue())
    told = refused(f"memory://odd/{name}", tmp_path)
    assert "openbasket-" not in told
    assert "\x07" not in told


@pytest.mark.parametrize(
    ("league", "season"),
    [
        ("x" * 101, None),
        ("lega\n", None),
        (None, "21-22\n"),
        (None, "21-25"),
        (None, "\u0662\u0661-22"),
    ],
)
def test_options_that_are_no_names_are_refused(league, season):
    with pytest.raises(OpenBasketError):
        ImportOptions(league=league, season=season)
    assert ImportOptions(league="x" * 100, season="99-00").season == "99-00"
