"""Timelines as other programs write them, and XML that is out to do harm."""

from __future__ import annotations

import resource
import time

import pytest

from openbasket.errors import BadInputError
from openbasket.transcripts import ImportOptions, import_files
from openbasket.transcripts.sportscode import Instance, read_instances, to_xml
from openbasket.workspace import Workspace

OTHERS = """<?xml version="1.0" encoding="utf-8"?>
<FILE><!-- of some other program --><SORT_INFO><sort_type>sort order</sort_type></SORT_INFO>
<ROWS><row><sort_order>1</sort_order><code>Q1</code><R>255</R><G>0</G><B>0</B></row></ROWS>
<ALL_INSTANCES>
<Instance><ID>P1</ID><CODE>Q1</CODE><Start>-2,5</Start><End>0:20:00.0</End></Instance>
<Instance><ID>P2</ID><start>0:01:12,5</start><end>80</end><code>Reds</code><free_text>nice</free_text>
  <label><group>Player</group><text>#7 Ann Lee</text></label><label><text>3PT</text><text>made</text></label>
  <pos_x>3</pos_x></Instance>
<Instance><ID/><start>90</start><end>95</end><code>Foul</code><label>hard</label>
  <label><group>Team</group><text>Blues</text></label></Instance>
<Instance><start>99</start><end>99</end><code>Rebound off</code>
  <label><group>Team</group><text><![CDATA[Reds]]></text></label></Instance>
</ALL_INSTANCES></FILE>"""
OPTIONS = ImportOptions(league="cup", season="23-24")


def read(tmp_path, content: bytes):
    file = tmp_path / "timeline.xml"
    file.write_bytes(content)
    return read_instances(file)[0]


def test_timelines_of_other_programs(tmp_path):
    instances = read(tmp_path, OTHERS.encode())
    assert [(i.start_s, i.end_s, i.code) for i in instances] == [
        (-2.5, 1200.0, "Q1"), (72.5, 80.0, "Reds"), (90.0, 95.0, "Foul"), (99.0, 99.0, "Rebound off"),
    ]  # fmt: skip
    assert instances[1].labels == (("Player", "#7 Ann Lee"), ("", "3PT"), ("", "made"))
    assert instances[2].labels == (("", "hard"), ("Team", "Blues"))
    workspace = Workspace(tmp_path / "ws", create=True)
    about = to_xml([Instance(0, 1, "Game", (("Home", "Reds"), ("Away", "Blues")))]).decode()
    about = about[about.index("<instance>") : about.index("</ALL_INSTANCES>")]
    whole = OTHERS.replace("<ALL_INSTANCES>\n", f"<ALL_INSTANCES>\n{about}")
    (tmp_path / "game.xml").write_text(whole, encoding="utf-8")
    import_files("auto", [tmp_path / "game.xml"], workspace, options=OPTIONS, quiet=True)
    shot = workspace.read("events").filter(kind="field_goal").row(0, named=True)
    assert (shot["team_id"], shot["player_id"]) == ("reds", "reds-ann-lee")
    assert (shot["made"], shot["value"]) == (True, 3)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(tmp_path, encoding):
    text = (
        OTHERS.replace("nice", "é").replace("Ann", "Zoë").replace("utf-8", encoding[:6].rstrip("-"))
    )
    instances = read(tmp_path, text.encode(encoding))
    assert instances[1].labels[0] == ("Player", "#7 Zoë Lee")


def test_utf8_that_calls_itself_utf16(tmp_path):
    text = OTHERS.replace("utf-8", "utf-16").replace("Ann", "Zoë")
    assert read(tmp_path, text.encode())[1].labels[0] == ("Player", "#7 Zoë Lee")


def test_what_is_written_says_its_order(tmp_path):
    written = to_xml([Instance(1, 2, "Shot"), Instance(3, 4, "Foul")]).decode()
    assert written.index("<sort_type>sort order</sort_type>") < written.index("<ALL_INSTANCES>")


@pytest.mark.parametrize(
    "times", ["<start>a</start><end>2</end>", "<start>3</start><end>2</end>", "<end>2</end>",
              "<start>1:2:3:4</start><end>2</end>", "<start>-1:30</start><end>2</end>",
              "<start>nan</start><end>2</end>"],
)  # fmt: skip
def test_times_that_are_none_name_the_instance(tmp_path, times):
    good = "<instance><start>1</start><end>2</end><code>x</code></instance>"
    content = f"<file><ALL_INSTANCES>{good}<instance>{times}</instance></ALL_INSTANCES></file>"
    with pytest.raises(BadInputError) as refused:
        read(tmp_path, content.encode())
    assert refused.value.problems[0].row == 2


BOMBS = {
    "entities": b'<!DOCTYPE f [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><file>&b;</file>',
    "quadratic": b'<!DOCTYPE f [<!ENTITY a "' + b"a" * 100_000 + b'">]><file>' + b"&a;" * 100_000 + b"</file>",
    "external": b'<!DOCTYPE f SYSTEM "file:///etc/hostname"><file><ALL_INSTANCES/></file>',
    "utf-16 entities": '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE f []><file/>'.encode("utf-16"),
    "deep": b"<file><ALL_INSTANCES>" + b"<a>" * 5_000_000,
    "deep instance": b"<file><ALL_INSTANCES><instance>" + b"<label>" * 1_000_000,
    "nul": b"<file>\x00<ALL_INSTANCES/></file>",
    "cut": OTHERS.encode()[:-40],
    "attributes": b"<file " + b" ".join(b'a%d="x"' % n for n in range(200_000)) + b">",
    "huge": b"<file>" + b" " * 20_000_001,
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_harmful_xml_is_refused_at_once(tmp_path, name):
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(BadInputError):
        read(tmp_path, BOMBS[name])
    assert time.monotonic() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # KB


def test_many_empty_tags_are_not_kept(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    filler = b"<x/>" * 500_000
    assert read(tmp_path, b"<file><ALL_INSTANCES>" + filler + b"</ALL_INSTANCES></file>") == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB
