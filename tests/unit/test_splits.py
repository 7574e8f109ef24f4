"""Nobody crosses, quotas are exact, and every planted leak is found."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from openbasket import tables
from openbasket.cli import app
from openbasket.dataset.rendered import load_benchmark, make
from openbasket.errors import SplitError, UnknownNameError
from openbasket.splits.assign import IN_DOMAIN, _quotas, assign
from openbasket.splits.audit import SEARCHES, Evidence, audit, plant, self_test
from openbasket.splits.persons import one_by_name, same_names
from openbasket.tables import SPLITS
from openbasket.workspace import Workspace

SEASONS, LEAGUES = ("20-21", "21-22", "22-23"), ("north", "south", "west")
careers = st.lists(
    st.sets(st.tuples(st.sampled_from(LEAGUES), st.sampled_from(SEASONS)), min_size=1, max_size=5),
    min_size=30,
    max_size=80,
)


def subjects_of(people: list[set[tuple[str, str]]]) -> pl.DataFrame:
    rows = [
        (
            f"p{i}_{league}_{season.replace('-', '_')}",
            f"p{i}",
            league,
            season,
            "men",
            None,
            1,
            1.0,
            1,
        )
        for i, career in enumerate(people)
        for league, season in sorted(career)
    ]
    return pl.DataFrame(rows, tables.dtypes("subjects"), orient="row")


def fixed() -> pl.DataFrame:
    places = [(league, season) for league in LEAGUES for season in SEASONS]
    return subjects_of(
        [{places[(i * 7 + k * 4) % 9] for k in range(1 + i % 3)} for i in range(120)]
    )


#: Of the places of :func:`fixed` in capitals, with the seed of always.
PLACES = "bab9602c6d68631e"
HELD = {"unseen_season": "20-21", "unseen_leagues": ("west",)}


@settings(max_examples=25, deadline=None)
@given(careers, st.integers(0, 99))
def test_every_person_is_in_one_split_and_every_split_holds_what_it_may(people, seed):
    table = subjects_of(people)
    try:
        splits = assign(table, **HELD, seed=seed)
    except (SplitError, UnknownNameError):
        return
    used = splits.drop_nulls("split")
    assert used.group_by("player_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert splits["subject_id"].to_list() == sorted(table["subject_id"])
    for row in used.iter_rows(named=True):
        season, league = row["season"] == "20-21", row["league"] == "west"
        expected = {
            (False, False): IN_DOMAIN,
            (True, False): ("cross_season",),
            (False, True): ("cross_league",),
            (True, True): ("cross_season_and_league",),
        }[season, league]
        assert row["split"] in expected
    assert used["player_id"].n_unique() == table["player_id"].n_unique()
    assert splits.filter(pl.col("split").is_null())["reason"].null_count() == 0
    assert assign(table.sample(fraction=1, shuffle=True, seed=seed), **HELD, seed=seed).equals(
        splits
    )


@given(st.integers(3, 5000))
def test_quotas_are_exact(persons):
    counts = _quotas(persons, (7, 1, 2))
    assert sum(counts) == persons
    assert min(counts) >= 1
    if persons >= 10:
        assert all(abs(10 * c - persons * s) < 10 for c, s in zip(counts, (7, 1, 2), strict=True))


def test_spellings_of_an_id_are_one_person():
    """Every second season spells it in capitals; who is spelled in one way stays where he was."""
    people = fixed()
    capitals = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("player_id").str.to_uppercase())
    spelled = people.with_columns(player_id=capitals.otherwise(pl.col("player_id")))
    found = assign(spelled, **HELD)
    places = found.filter(pl.col("split").is_not_null()).group_by(
        pl.col("player_id").str.to_lowercase()
    )
    assert places.agg(pl.col("split").n_unique())["split"].to_list() == [1] * 120
    assert spelled["player_id"].n_unique() > 120
    assert set(found["player_id"]) == set(spelled["player_id"])


def test_names_and_spellings_join_ids_of_one_person_and_move_nobody_else():
    people = fixed().with_columns(pl.col("player_id").str.to_uppercase())
    before = assign(people, **HELD)
    assert hashlib.sha256(str(before["split"].to_list()).encode()).hexdigest()[:16] == PLACES
    ids = {"P7": "a1", "P8": "A1", "P9": "0z"}  # a1 and 0z have one name
    renamed = people.with_columns(pl.col("player_id").replace(ids))
    for seed in range(20):
        found = assign(renamed, **HELD, seed=seed, persons={"a1": "0z", "A1": "A1", "0z": "0z"})
        kept = found.filter(pl.col("player_id").is_in(["a1", "A1", "0z"])).drop_nulls("split")
        assert kept["split"].n_unique() == 1


def test_quotas_by_hand():
    assert _quotas(10, (7, 1, 2)) == [7, 1, 2]
    assert _quotas(8, (7, 1, 2)) == [6, 1, 1]  # 5.6, 0.8, 1.6: the first of equal remainders
    assert _quotas(27900, (7, 1, 2)) == [19530, 2790, 5580]


def test_seeds_draw_otherwise_and_all_six_splits_are_there():
    one, two = assign(fixed(), **HELD), assign(fixed(), **HELD, seed=1)
    assert set(one["split"].drop_nulls()) == set(SPLITS)
    assert not one.equals(two)


def test_without_held_out_places_all_are_in_domain():
    splits = assign(fixed())
    assert set(splits["split"]) == set(IN_DOMAIN)
    persons = dict(splits.group_by("split").agg(pl.col("player_id").n_unique()).rows())
    assert persons == {"train": 84, "val": 12, "test": 24}


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"unseen_season": "20-22"}, UnknownNameError, "Did you mean '2[01]-2[12]'"),
        ({"unseen_leagues": ("wst",)}, UnknownNameError, "Did you mean 'west'"),
        ({"unseen_leagues": LEAGUES}, SplitError, "0 persons play in the seen"),
        ({"ratios": (0, 1, 2)}, SplitError, "ratios"),
        ({"ratios": (7, 1)}, SplitError, "ratios"),
        ({"ratios": (7, -1, 2)}, SplitError, "ratios"),
    ],
)
def test_what_cannot_be_split(words, error, message):
    with pytest.raises(error, match=message):
        assign(fixed(), **words)


def evidence() -> Evidence:
    table = fixed()
    splits = assign(table, **HELD)
    players = tables.validate("players", table.select("player_id").unique())
    used = splits.drop_nulls("split")
    paths = {s: f"BASKET/{s}.mp4" for s in used["subject_id"]}
    listed = tuple(
        (split, row, paths[s])
        for split in SPLITS
        for row, s in enumerate(used.filter(pl.col("split") == split)["subject_id"])
    )
    return Evidence(
        splits, table, players, "20-21", ("west",), listed,
        tuple((path, s) for s, path in paths.items()), {path: f"{i:064d}" for i, path in enumerate(paths.values())},
    )  # fmt: skip


def test_a_clean_split_has_no_finding():
    report = audit(evidence())
    assert report.findings == []
    assert report.checked["subjects"] == fixed().height


def test_one_person_under_two_spellings_in_two_splits_is_found():
    clean = evidence()
    other = clean.splits.filter(split="test").head(1)
    person = clean.splits.filter(split="train")["player_id"][0]
    twice = other.with_columns(player_id=pl.lit(f"{person.upper()} "))
    leaky = replace(clean, splits=pl.concat([clean.splits, twice]))
    found = [f for f in audit(leaky).findings if f"'{person}" in str(f) or f"{person}'" in str(f)]
    assert any("is in test, train" in str(f) for f in found)


def test_every_kind_of_leak_is_planted_and_found():
    clean = evidence()
    planted = [kind for kind, _ in plant(clean)]
    assert set(planted) == set(SEARCHES)
    assert [kind for kind, found in self_test(clean) if not found] == []


def test_a_planted_leak_is_named():
    clean = evidence()
    for kind, leaky in plant(clean):
        findings = [what for found, what in audit(leaky).findings if found == kind]
        assert findings, kind


def test_a_search_that_finds_nothing_fails_the_self_test(monkeypatch):
    monkeypatch.setitem(SEARCHES, "person in two splits", lambda e: [])
    assert ("person in two splits", False) in self_test(evidence())


def test_namesakes_without_birth_dates_are_a_note():
    clean = evidence()
    train = clean.splits.filter(pl.col("split") == "train")["player_id"][0]
    test = clean.splits.filter(pl.col("split") == "test")["player_id"][0]
    players = clean.players.with_columns(
        name=pl.when(pl.col("player_id") == train)
        .then(pl.lit("Đoko O'Name"))
        .when(pl.col("player_id") == test)
        .then(pl.lit("ONAME, Doko Jr."))
        .otherwise("name")
    )
    report = audit(Evidence(**{**clean.__dict__, "players": players}))
    assert report.findings == []
    assert "1 name stands both in train and elsewhere" in report.notes[0]


def test_a_split_without_training_cannot_be_self_tested():
    clean = evidence()
    only = clean.splits.with_columns(split=pl.lit("test"))
    with pytest.raises(SplitError, match="planted only where"):
        self_test(Evidence(**{**clean.__dict__, "splits": only}))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ĐURIŠIĆ, Nikola", "Nikola Durisic", True),
        ("Jared Butler Jr.", "BUTLER, JARED", True),
        ("BUTLER JR. JARED", "Jared Butler", True),
        ("Shaquille O\u2019Neal", "ONEAL Shaquille", True),
        ("De'Aaron Fox", "FOX DEAARON", True),
        ("JR Smith", "Smith JR", True),
        ("JR Smith", "SMITH, JR", True),
        ("Takumi Ii", "Ii Takumi", True),
        ("J\u01feRGEN Mao", "J\u00d8\u0301rgen Mao", True),
        ("राम", "रम", False),
        ("Player 1 12", "Player 11 2", False),
        ("Shaquille O\u02bcNeal", "O`Neal, Shaquille", True),
        ("Johnny O'Bryant", "Johnny O Bryant", True),
        ("DA'SEAN Butler", "Da\u00b4Sean Butler", True),
        ("V. Ivanov", "Ivanov, V.", True),
        ("V. Ivanov", "Ivanov", False),
        ("Max WEI\u1e9e", "Max Weiß", True),
        ("Ђурић, Никола", "НИКОЛА Ђурић", True),
        ("Vusal Əliyev Jr.", "ƏLIYEV, Vusal", True),
        ("李 Ming", "王 Ming", False),
        ("José Ortiz", "Jose Cortiz", False),
        ("Player 12", "Player 21", False),
        ("Jack Haley", "Jack Leahy", False),
        ("J.R. Smith", "RJ Smith", False),
        ("JR Smith", "Smith", False),
        ("A.J. English", "ENGLISH, AJ", True),
        ("Keith McLeod", "MC LEOD, KEITH", True),
    ],
)
def test_spellings_of_a_name(one, other, same):
    found = same_names([one, other])
    assert (one in found and found[one] == found.get(other)) is same


def test_namesakes_of_different_birth_dates_are_two_persons():
    father, son = date(1962, 1, 1), date(2003, 5, 13)
    players = [
        ("a-1", "Jabari Smith", father),
        ("a-2", "Jabari Smith Jr.", son),
        ("b-7", "SMITH, Jabari", son),
        ("c-9", "Jabari SMITH", None),
        ("0", None, None),
        ("1", " - ", None),
    ]
    found = one_by_name(players)
    alone = {"0": "0", "1": "1"}
    # whose son the undated one is, or whether he is the father, is not known: all are one
    assert found == alone | dict.fromkeys(("a-1", "a-2", "b-7", "c-9"), "a-1")
    assert one_by_name(players[::-1]) == found
    dated = [row for row in players if row[0] != "c-9"]
    assert one_by_name(dated) == alone | {"a-1": "a-1", "a-2": "a-2", "b-7": "a-2"}


def test_spellings_of_spellings_are_one_name():
    spelled = ["O Bryant, Johnny", "OBRYANT Johnny", "Johnny OBryant", "Johnny O'Bryant"]
    assert set(same_names(spelled).values()) == {"Johnny O'Bryant"}
    assert same_names(["", " - ", "\u02bc"]) == {}


def test_players_of_one_name_may_be_one_person(tmp_path):
    leagues = {"p": "home", "q": "away"}
    rows = [
        {
            "subject_id": f"{letter}{i}",
            "player_id": f"{letter}{i}",
            "league": league,
            "season": "21-22",
        }
        for letter, league in leagues.items()
        for i in range(40)
    ]
    subjects = pl.DataFrame(rows)
    names = [(f"p{i}", f"DOBRIĆ-{i:02}, Ognjen") for i in range(40)]
    names += [(f"q{i}", f"Ognjen Dobric {i:02}") for i in range(20)]  # the other twenty have none
    names += [(f"q{i}", None) for i in range(20, 40)]
    persons = one_by_name((player, name, None) for player, name in names)
    assert {persons[f"q{i}"] for i in range(20)} == {f"p{i}" for i in range(20)}
    assert all(persons[f"q{i}"] == f"q{i}" for i in range(20, 40))
    apart = assign(subjects, unseen_leagues=["away"])
    assert apart["split"].null_count() == 0
    found = assign(subjects, unseen_leagues=["away"], persons=persons)
    assert found["player_id"].to_list() == found["subject_id"].to_list()
    kept = found.drop_nulls("split").with_columns(
        person=pl.col("player_id").replace_strict(persons)
    )
    assert kept["person"].n_unique() == kept.height == 60
    assert set(kept.filter(league="away")["split"]) == {"cross_league"}
    assert found["reason"].drop_nulls().str.contains("the person is in").all()


def test_the_verb_tells_of_names_in_several_splits(tmp_path):
    workspace = Workspace(tmp_path, create=True)
    make(workspace, load_benchmark("mini"), quiet=True)
    players = workspace.read("players")
    unborn = pl.lit(None, pl.Date).alias("birth_date")
    workspace.write("players", players.with_columns(unborn, name=pl.lit("Same Name")))
    said = CliRunner().invoke(app, ["split", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert "note: 1 name is in more than one split" in " ".join(said.output.split())
    one = CliRunner().invoke(app, ["split", str(tmp_path), "--by-name"])
    assert one.exit_code != 0  # one person alone cannot be split
