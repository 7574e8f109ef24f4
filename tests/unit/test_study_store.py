"""Study: the design file, what is drawn, who sees whom, and that everything is stored once."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select
from study_studies import LEAGUE, SKILLS, dataset, design, made_up_players, store

from openbasket.errors import BadInputError, ConfigError, NotFoundError, WorkspaceError
from openbasket.study import assign
from openbasket.study.database import Database
from openbasket.study.design import draw_players, group_of, level_counts, load_design, uneven
from openbasket.study.models import Assignment, Base, Form, Meta, Participant, Rating
from openbasket.study.steps import Refused
from openbasket.study.store import Store


@pytest.fixture(scope="module")
def basket(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("basket"))


@pytest.fixture
def memory(tmp_path):
    made = store(tmp_path)
    yield made
    made.database.close()


def begun(memory: Store) -> int:
    """A participant who is about to watch the first video."""
    [(person, _)] = memory.invite(1)
    memory.consent(person, "consent", True)
    memory.experience(person, "experience", 4.0, 0.0)
    memory.begin(person, "begin-0")
    return person


def watch(memory: Store, person: int) -> None:
    """Have the present video watched, by putting the moment it was opened into the past."""
    view = memory.view(person)
    assert view is not None
    with memory.database.write() as session:
        session.get_one(Assignment, view.step.assignment.id).opened_at = time.time() - 60
    memory.served(view.step.assignment.id)
    memory.beat(person, view.step.assignment.token, 2.0, 1.0)
    memory.watched(person, view.step.key)


def rate(memory: Store, person: int, level: int = 1) -> None:
    step = memory.view(person).step
    memory.rate(person, step.key, dict.fromkeys(SKILLS, level), step.assignment.check_level)


def one_player(memory: Store, person: int, level: int = 1) -> None:
    step = memory.view(person).step
    if step.kind == "begin":
        memory.begin(person, step.key)
    watch(memory, person)
    memory.recognise(person, memory.view(person).step.key, False)
    rate(memory, person, level)


def count(memory: Store, table) -> int:
    with memory.database.read() as session:
        return session.scalar(select(func.count()).select_from(table))


# -- the study file ---------------------------------------------------------------------------


def test_all_faults_of_a_study_file_are_told_together(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(
        'dataset = "ws"\nleague = "x"\nlevels = 4\nskills = ["rebonds"]\nplayer = 3\nmax_speed = 3.0\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_design(file)
    text = str(caught.value)
    assert "5 faults" in text
    assert "'season' is missing" in text
    assert "3 or 5" in text
    assert "Did you mean 'rebounds'?" in text
    assert "'player' is no setting. Did you mean 'players'?" in text
    assert "max_speed" in text


@pytest.mark.parametrize("text", ["[", "\x00", "levels = "])
def test_a_study_file_that_is_no_toml_is_refused(tmp_path, text):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ConfigError, match="is not TOML"):
        load_design(tmp_path / "s.toml")


def test_a_study_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="openbasket study create"):
        load_design(tmp_path / "s.toml")


def test_a_pool_smaller_than_what_one_participant_rates_is_refused():
    with pytest.raises(ValueError, match="at least 15"):
        design(pool=14)


def test_groups_go_by_the_first_rule_that_holds():
    groups = design().groups
    assert group_of(groups, 10, 5) == "expert"
    assert group_of(groups, 10, 4) == "average"
    assert group_of(groups, 0, 1) == "average"
    assert group_of(groups, 2.9, 0.9) == "novice"


def test_players_are_those_of_the_league_with_labels_and_lengths(basket):
    players = draw_players(design(), basket)
    assert len(players) == 18
    assert all(set(p.levels) == set(SKILLS) for p in players)
    assert all(p.duration_s == pytest.approx(2.0, abs=0.1) for p in players)


def test_a_pool_is_spread_over_levels_and_the_same_for_the_same_seed(tmp_path):
    root = dataset(tmp_path, players=60)
    small = design(players=3, sessions=3, pool=9, skills=["steals"])
    players = draw_players(small, root)
    assert Counter(p.levels["steals"] for p in players) == {0: 3, 1: 3, 2: 3}
    assert draw_players(small, root) == players
    other = design(players=3, sessions=3, pool=9, skills=["steals"], seed=1)
    assert draw_players(other, root) != players


def test_by_default_as_many_are_drawn_as_keep_levels_even(tmp_path):
    """35 Poor, 12 Average and 10 Excellent: not all of the Poor are drawn."""
    root = dataset(tmp_path, players=57)
    file = root / "BASKET_Labels" / "BASKET" / "test.csv"
    rows = [line.split(",") for line in file.read_text().splitlines()]
    column = rows[0].index("Steals")
    for number, row in enumerate(rows[1:]):
        row[column] = str(0 if number < 35 else 1 if number < 47 else 2)
    file.write_text("\n".join(",".join(row) for row in rows))
    found = design(players=3, sessions=3, skills=["steals"])
    players = draw_players(found, root)
    poor, average, excellent = level_counts(players, found)["steals"]
    assert (average, excellent) == (12, 10)
    assert 12 <= poor <= 16
    assert not uneven(players, found)
    everybody = design(players=3, sessions=3, skills=["steals"], pool=57)
    assert uneven(draw_players(everybody, root), everybody) == {"steals": pytest.approx(35 / 57)}


def test_faults_of_settings_inside_sections_name_what_is_known_there(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(
        'dataset = "ws"\nleague = "x"\nseason = "y"\nplayers = 0\npool = 3\nlevels = 4\n[pay]\nbonuss = 1\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_design(file)
    text = str(caught.value)
    assert "Did you mean 'bonus'? Known: currency, base, bonus, threshold" in text
    assert "'players': got 0; allowed: 1 or more" in text
    assert "Value error" not in text
    file.write_text('title = "a"\nlevels = = 3\n')
    with pytest.raises(ConfigError, match="the line is: 'levels = = 3'"):
        load_design(file)


def test_every_problem_of_a_dataset_is_told_together(tmp_path):
    root = dataset(tmp_path, players=6)
    file = root / "BASKET_Labels" / "BASKET" / "test.csv"
    rows = [line.split(",") for line in file.read_text().splitlines()]
    column = rows[0].index("Steals")
    for row in rows[1:]:
        row[column] = ""
    file.write_text("\n".join(",".join(row) for row in rows))
    (root / rows[1][0]).unlink()
    (root / rows[2][0]).write_bytes(b"no video")
    with pytest.raises(BadInputError) as caught:
        draw_players(design(), root)
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "Steals" in text
    assert "there is no such video" in text
    assert "15 players" in text


def test_an_unknown_league_is_told_with_those_there_are(basket):
    with pytest.raises(BadInputError, match=f"one of {LEAGUE} 18-19"):
        draw_players(design(league="nba"), basket)


def test_labels_of_another_number_of_levels_are_refused(basket):
    with pytest.raises(BadInputError, match="labels of 3 levels"):
        draw_players(design(levels=5), basket)


def test_a_dataset_of_a_newer_version_is_refused(tmp_path):
    root = dataset(tmp_path, players=1)
    (root / "openbasket" / "workspace.json").write_text('{"layout": 99}')
    with pytest.raises(WorkspaceError, match="newer openbasket"):
        draw_players(design(), root)


def test_three_levels_are_made_from_ranks_where_the_dataset_has_five(tmp_path):
    import polars as pl

    from openbasket.skills import SKILL_KEYS
    from openbasket.workspace import Workspace

    root = dataset(tmp_path, players=6, levels=5)
    subjects = [f"famous-name-{n}_{LEAGUE}_18_19" for n in range(6)]
    rows = [
        {"subject_id": s, "skill": k, "raw": 0.5, "trials": 9.0, "score": 0.5, "rank": n + 1,
         "ranked": 6, "level": 0, "origin": "computed"}
        for n, s in enumerate(subjects) for k in SKILL_KEYS
    ]  # fmt: skip
    Workspace(root).write("levels", pl.DataFrame(rows))
    players = draw_players(design(players=2, sessions=3), root)
    assert [p.levels["steals"] for p in players] == [2, 2, 1, 1, 0, 0]


# -- assignment -------------------------------------------------------------------------------


def test_exposures_differ_by_at_most_one_for_any_pool():
    rng = random.Random(0)
    for pool in (15, 16, 23, 40):
        exposures = dict.fromkeys(map(str, range(pool)), 0)
        for _ in range(50):
            for name in assign.choose(exposures, 15, rng):
                exposures[name] += 1
            assert max(exposures.values()) - min(exposures.values()) <= 1


def test_each_player_is_shown_at_each_place_about_equally_often():
    rng = random.Random(0)
    shown: Counter = Counter()
    names = [str(n) for n in range(15)]
    for _ in range(45):
        for place, name in enumerate(assign.order(names, shown, rng)):
            shown[name, place] += 1
    assert {shown[name, place] for name in names for place in range(15)} == {3}


def test_each_skill_is_asked_equally_often_at_each_place():
    orders = [assign.skill_order(SKILLS, n) for n in range(10)]
    for place in range(5):
        assert Counter(order[place] for order in orders) == dict.fromkeys(SKILLS, 2)
    assert len(set(map(tuple, orders))) == 10


def test_assignments_are_balanced_when_many_begin_at_once(memory):
    people = [person for person, _ in memory.invite(24)]
    for person in people:
        memory.consent(person, "consent", True)
    threads = [
        threading.Thread(target=memory.experience, args=(person, "experience", 1.0, 1.0))
        for person in people
        for _ in range(2)  # each form twice
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with memory.database.read() as session:
        shown = Counter(session.scalars(select(Assignment.subject_id)))
        numbers = sorted(session.scalars(select(Participant.number)))
    assert sum(shown.values()) == 24 * 15
    assert max(shown.values()) - min(shown.values()) <= 1
    assert len(shown) == 18
    assert numbers == list(range(24))


def test_a_participant_sees_no_player_twice_and_the_order_is_recorded(memory):
    person = begun(memory)
    view = memory.view(person)
    assert len({a.subject_id for a in view.assignments}) == 15
    assert [(a.session, a.position) for a in view.assignments] == [
        (s, p) for s in range(3) for p in range(5)
    ]
    assert sorted(json.loads(view.participant.skill_order)) == sorted(SKILLS)
    checks = [a.session for a in view.assignments if a.check_level is not None]
    assert checks == [0, 1, 2]


def test_five_levels_and_twenty_skills_are_possible(tmp_path):
    from openbasket.skills import SKILL_KEYS

    made = store(tmp_path, levels=5, skills=SKILL_KEYS, players=1, sessions=1)
    person = begun(made)
    watch(made, person)
    made.recognise(person, made.view(person).step.key, False)
    step = made.view(person).step
    made.rate(person, step.key, dict.fromkeys(SKILL_KEYS, 4), step.assignment.check_level)
    assert made.view(person).step.kind == "finished"
    assert count(made, Rating) == 20


# -- once -------------------------------------------------------------------------------------


def test_a_participant_goes_from_consent_to_the_end(memory):
    person = begun(memory)
    for _ in range(15):
        one_player(memory, person)
    view = memory.view(person)
    assert view.step.kind == "finished"
    assert view.participant.state == "finished"
    assert count(memory, Rating) == 75


def test_a_form_that_comes_again_changes_nothing(memory):
    person = begun(memory)
    watch(memory, person)
    memory.recognise(person, memory.view(person).step.key, False)
    step = memory.view(person).step
    for level in (2, 0, 0):
        memory.rate(person, step.key, dict.fromkeys(SKILLS, level), step.assignment.check_level)
    with memory.database.read() as session:
        assert set(session.scalars(select(Rating.level))) == {2}
    assert count(memory, Rating) == 5
    memory.consent(person, "consent", False)
    assert memory.view(person).participant.state == "active"


def test_the_same_form_from_many_threads_is_stored_once(memory):
    person = begun(memory)
    watch(memory, person)
    memory.recognise(person, memory.view(person).step.key, False)
    step = memory.view(person).step
    faults = []

    def send(level: int) -> None:
        try:
            memory.rate(person, step.key, dict.fromkeys(SKILLS, level), step.assignment.check_level)
        except Exception as error:  # noqa: BLE001
            faults.append(error)

    threads = [threading.Thread(target=send, args=(n % 3,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    with memory.database.read() as session:
        levels = session.scalars(select(Rating.level)).all()
    assert len(levels) == 5
    assert len(set(levels)) == 1


def test_half_a_rating_stores_nothing(memory):
    person = begun(memory)
    watch(memory, person)
    memory.recognise(person, memory.view(person).step.key, False)
    step = memory.view(person).step
    before = count(memory, Form)
    for levels in ({}, {"rebounds": 1}, dict.fromkeys(SKILLS, 3), dict.fromkeys(SKILLS, -1)):
        with pytest.raises(Refused):
            memory.rate(person, step.key, levels, step.assignment.check_level)
    assert count(memory, Rating) == 0
    assert count(memory, Form) == before
    assert memory.view(person).step.key == step.key


def test_a_player_who_is_recognised_is_not_rated(memory):
    person = begun(memory)
    watch(memory, person)
    first = memory.view(person).step
    memory.recognise(person, first.key, True)
    step = memory.view(person).step
    assert step.kind == "watch"
    assert step.assignment.id != first.assignment.id
    assert count(memory, Rating) == 0


def test_a_video_counts_as_watched_no_faster_than_it_can_be(memory):
    person = begun(memory)
    step = memory.view(person).step
    token = step.assignment.token
    assert memory.beat(person, token, 1.0, 1.0) is None  # its page was never shown
    memory.opened(step.assignment.id)
    with memory.database.write() as session:
        session.get_one(Assignment, step.assignment.id).opened_at = time.time() - 10
    assert memory.beat(person, token, 1e9, 1.5) == pytest.approx(22, abs=0.5)
    assert memory.beat(person, token, 5.0, 1.0) == pytest.approx(22, abs=0.5)  # never back
    assert memory.view(person).step.assignment.speed == 1.5
    [(other, _)] = memory.invite(1)
    assert memory.beat(other, token, 1.0, 1.0) is None


def test_a_video_that_was_not_watched_holds_up(memory):
    person = begun(memory)
    step = memory.view(person).step
    memory.opened(step.assignment.id)
    memory.served(step.assignment.id)
    with pytest.raises(Refused, match="seconds are left"):
        memory.watched(person, step.key)
    assert memory.view(person).step.key == step.key


def test_without_scripts_the_clock_tells_that_a_video_was_watched(memory):
    person = begun(memory)
    step = memory.view(person).step
    with memory.database.write() as session:
        session.get_one(Assignment, step.assignment.id).opened_at = time.time() - 2.1
    with pytest.raises(Refused, match="not loaded yet"):
        memory.watched(person, step.key)
    memory.served(step.assignment.id)
    memory.watched(person, step.key)
    assert memory.view(person).step.assignment.watched_by == "clock"


def test_the_speed_is_at_least_what_the_time_allowed(memory):
    person = begun(memory)
    step = memory.view(person).step
    with memory.database.write() as session:
        session.get_one(Assignment, step.assignment.id).opened_at = time.time() - 1.05
    memory.served(step.assignment.id)
    memory.beat(person, step.assignment.token, 2.0, 0.5)
    memory.watched(person, step.key)
    assert memory.view(person).step.assignment.speed == pytest.approx(1.9, abs=0.1)


def test_a_clock_that_is_put_back_holds_nobody_up(memory, monkeypatch):
    person = begun(memory)
    step = memory.view(person).step
    memory.opened(step.assignment.id)
    memory.served(step.assignment.id)
    now = time.time()
    memory.beat(person, step.assignment.token, 1.0, 1.0)
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    assert memory.beat(person, step.assignment.token, 2.0, 1.0) == pytest.approx(2, abs=0.3)
    memory.watched(person, step.key)


def test_a_video_that_does_not_play_is_left_out_and_noted(memory):
    from openbasket.study import exports

    person = begun(memory)
    first = memory.view(person).step
    memory.broken(person, first.key)
    memory.broken(person, first.key)
    step = memory.view(person).step
    assert step.kind == "watch"
    assert step.assignment.id != first.assignment.id
    rows = exports.ratings(memory)
    assert rows["excluded"].to_list() == ["the video did not play"] * 5
    assert rows["watched_by"].unique().to_list() == ["broken"]


def test_who_declines_gives_no_answers(memory):
    [(person, _)] = memory.invite(1)
    memory.consent(person, "consent", False)
    memory.experience(person, "experience", 1.0, 1.0)
    assert memory.view(person).step.kind == "declined"
    assert count(memory, Assignment) == 0


def test_a_closed_study_takes_no_answers(memory):
    person = begun(memory)
    watch(memory, person)
    memory.set_meta("state", "closed")
    with pytest.raises(Refused, match="closed"):
        memory.recognise(person, memory.view(person).step.key, False)


def test_who_is_forgotten_leaves_nothing(memory):
    person = begun(memory)
    one_player(memory, person)
    memory.forget(person)
    assert [count(memory, t) for t in (Participant, Assignment, Rating, Form)] == [0, 0, 0, 0]
    with pytest.raises(NotFoundError, match=f"no participant {person}"):
        memory.forget(person)
    with pytest.raises(Refused):
        memory.consent(person, "consent", True)


def test_what_was_deleted_is_in_no_file(tmp_path):
    made = store(tmp_path)
    [(person, _)] = made.invite(1, "Zaphod Beeblebrox")
    files = [tmp_path / "study.sqlite", tmp_path / "study.sqlite-wal"]
    assert any(b"Zaphod" in file.read_bytes() for file in files)
    made.forget(person)
    assert not any(b"Zaphod" in file.read_bytes() for file in files)


def test_nobody_else_may_read_the_database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/x.sqlite")
    made.set_meta("a", "b")
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    made.close()


def test_the_number_of_who_was_deleted_is_not_given_again(memory):
    numbers = []
    for _ in range(3):
        person = begun(memory)
        numbers.append(memory.view(person).participant.number)
        memory.forget(person)
    assert numbers == [0, 1, 2]


def test_pay_may_change_until_somebody_has_consented(memory):
    changed = Store(memory.database, design(pay={"base": 7.0}))
    assert changed.prepared()
    begun(memory)
    with pytest.raises(WorkspaceError, match=r"pay.base: 10.0, now 7.0"):
        changed.prepared()


def test_groups_go_by_the_rules_that_the_file_has_now(memory):
    person = begun(memory)  # 4 years of watching
    assert memory.view(person).participant.group == "average"
    groups = [{"name": "veteran", "watched": 4}, {"name": "other"}]
    changed = Store(memory.database, design(groups=groups))
    assert changed.regroup() == 1
    assert changed.regroup() == 0
    assert memory.view(person).participant.group == "veteran"


def test_only_hashes_of_invitations_are_kept(memory):
    [(person, token)] = memory.invite(1, "a friend")
    assert memory.invited(token) == person
    assert memory.invited("x" * 32) is None
    with memory.database.read() as session:
        kept = session.get_one(Participant, person)
        assert token not in (kept.invite_hash, kept.code, kept.label)


# -- the database -----------------------------------------------------------------------------


def test_the_migrations_make_the_tables_of_the_models(memory):
    with memory.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_database_of_the_first_version_is_brought_to_this_one(tmp_path):
    from alembic import command
    from alembic.config import Config

    from openbasket.study import database as here

    file = tmp_path / "study.sqlite"
    made = store(tmp_path)
    person = begun(made)
    made.opened(made.view(person).step.assignment.id)
    config = Config()
    config.set_main_option("script_location", str(here._MIGRATIONS))
    with made.database.engine.connect().execution_options(writes=True) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        connection.commit()
    made.database.close()
    again = Store(Database(f"sqlite:///{file}"), design())
    assert len(again.pool()) == 18
    step = again.view(person).step
    assert step.kind == "watch"
    assert step.assignment.served_at == step.assignment.opened_at is not None
    with again.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_every_commit_of_sqlite_is_on_disk(tmp_path):
    with Database(f"sqlite:///{tmp_path}/x.sqlite").engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_study_file_that_was_changed_is_refused(memory, tmp_path):
    changed = Store(memory.database, design(levels=5, title="Another title"))
    with pytest.raises(WorkspaceError, match=r"levels: 3, now 5") as caught:
        changed.prepare(made_up_players(18, 5))
    assert "title" not in str(caught.value)


def test_a_database_of_a_newer_version_is_refused(memory):
    from sqlalchemy import text

    with memory.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WorkspaceError, match="newer openbasket"):
        Database(str(memory.database.engine.url))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("mysql://x/y", ConfigError),
        ("nonsense", ConfigError),
        ("sqlite:////nowhere/at/all.sqlite", WorkspaceError),
        ("postgresql://nobody@127.0.0.1:1/none", WorkspaceError),
    ],
)
def test_a_database_that_cannot_be_opened_is_refused(url, kind):
    with pytest.raises(kind) as caught:
        Database(url)
    assert "Traceback" not in str(caught.value)


def test_a_study_opened_again_is_as_it_was(memory, tmp_path):
    person = begun(memory)
    again = store(tmp_path)
    assert again.view(person).step.key == memory.view(person).step.key
    assert again.meta("secret") == memory.meta("secret")
    with again.database.read() as session:
        assert session.get_one(Meta, "state").value == "open"
