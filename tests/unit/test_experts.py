"""Experts' files, and how computed labels agree with them: tables made by hand."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from openbasket.errors import BadInputError
from openbasket.labels.experts import agreement, read_experts
from openbasket.labels.levels import level as level_of

PLAYERS = 50


def people(count: int = PLAYERS, season: str = "21-22") -> pl.DataFrame:
    ids = [f"p{n:02d}" for n in range(1, count + 1)]
    return pl.DataFrame(
        {"subject_id": [f"{i}_{season}" for i in ids], "player_id": ids, "league": "l", "season": season}
    )  # fmt: skip


def computed(subjects: pl.DataFrame, skill: str = "steals") -> pl.DataFrame:
    """Computed labels: the players in the order of their ids."""
    place = pl.col("subject_id").rank("ordinal").over("season").cast(pl.Int32)
    return subjects.select(
        "subject_id", skill=pl.lit(skill), rank=place, level=level_of(place, pl.len().over("season"), 5)
    )  # fmt: skip


def written(folder: Path, text: str) -> Path:
    path = folder / "experts.csv"
    path.write_text(text, encoding="utf-8")
    return path


def found(experts: pl.DataFrame, subjects: pl.DataFrame) -> tuple[int, float, float]:
    table = agreement(computed(subjects), experts, subjects)
    return table.filter(skill="steals").select("judged", "spearman", "quadratic_kappa").row(0)


@pytest.mark.parametrize("judged", [slice(0, 20), slice(30, 50), slice(0, 50, 3)])
def test_experts_who_rank_a_part_as_we_do_agree_wholly(judged):
    subjects = people()
    experts = computed(subjects)[judged].with_columns(level=pl.lit(None, pl.Int8))
    assert found(experts, subjects) == (experts.height, pytest.approx(1), pytest.approx(1))
    turned = experts.with_columns(rank=1000 - pl.col("rank"))
    assert found(turned, subjects)[1] == pytest.approx(-1)
    assert found(turned, subjects)[2] < -0.9


def test_levels_of_experts_meet_our_levels_as_they_are():
    subjects = people()
    best = computed(subjects)[:20].with_columns(rank=pl.lit(None, pl.Int32))
    assert found(best, subjects)[2] == pytest.approx(1)
    # The same order, but one level lower: no agreement of levels beyond what is near.
    lower = best.with_columns(level=pl.col("level") - 1)
    assert found(lower, subjects)[1] == found(best, subjects)[1]
    assert found(lower, subjects)[2] < 0.5
    both = lower.with_columns(computed(subjects)[:20]["rank"])
    assert found(both, subjects)[2] == found(lower, subjects)[2]


def test_ranks_of_one_season_and_levels_of_another_go_together():
    subjects = pl.concat([people(season="21-22"), people(season="22-23")])
    late = pl.col("subject_id").str.ends_with("22-23")
    experts = computed(subjects).with_columns(
        rank=pl.when(~late).then("rank"), level=pl.when(late).then("level")
    )
    assert found(experts, subjects) == (100, pytest.approx(0.99, abs=0.001), 1)


def test_where_all_have_a_rank_single_levels_do_not_count():
    subjects = people()
    top = pl.col("rank") <= 10
    experts = computed(subjects).with_columns(level=pl.when(top).then(pl.lit(0, pl.Int8)))
    assert found(experts, subjects) == (50, pytest.approx(1), pytest.approx(1))
    levels = computed(subjects).with_columns(rank=pl.when(top).then(60 - pl.col("rank")))
    assert found(levels, subjects)[1] > 0.9


def test_equal_ranks_are_cut_the_same_in_any_order_of_rows():
    subjects = people()
    experts = computed(subjects).with_columns(
        rank=(pl.col("rank") + 8) // 9, level=pl.lit(None, pl.Int8)
    )
    assert found(experts, subjects) == found(experts.reverse(), subjects)


def test_ranks_and_levels_of_one_skill_do_not_mix(tmp_path):
    subjects = people()
    rows = [f"p{n:02d}_21-22,steals,{n}," for n in range(1, 9)]
    rows += ["p10_21-22,steals,,2", "p11_21-22,steals,,2", "p12_21-22,steals,5,2"]
    rows += ["p10_21-22,fouls,,2", "p11_21-22,assists,1,"]
    path = written(tmp_path, "\n".join(["subject_id,skill,rank,level", *rows]))
    with pytest.raises(BadInputError) as caught:
        read_experts(path, subjects, 5)
    (problem,) = caught.value.problems
    assert (problem.file, problem.row) == (str(path), 8)
    assert problem.given == (
        "ranks alone in rows 0, 1, 2, 3, 4 and 3 more and levels alone in rows 8, 9 for l 21-22, steals"
    )
    mixed = computed(subjects).with_columns(
        rank=pl.when(pl.col("rank") > 3).then("rank"), level=pl.when(pl.col("rank") < 9).then("level")
    )  # fmt: skip
    with pytest.raises(BadInputError, match=r"levels alone in rows 0, 1, 2 for l 21-22, steals"):
        found(mixed, subjects)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_cells_stand_between_commas_semicolons_or_tabs(tmp_path, mark, encoding):
    path = tmp_path / "experts.csv"
    lines = ["player_id, league, season, skill, level", "p02,l,21-22,Steals,4", "", "p01,l,21-22,fouls,0", ",,,,"]  # fmt: skip
    path.write_bytes("\r\n".join(lines).replace(",", mark).encode(encoding))
    rows = read_experts(path, people(), 5).rows()
    assert rows == [("p02_21-22", "steals", None, 4), ("p01_21-22", "fouls", None, 0)]


@pytest.mark.parametrize(
    ("text", "row", "given", "allowed"),
    [
        ("subject_id,skill,rank\np01_21-22,steals,1\np02_21-22,steals,2,3\n", 1, "4 cells", "3, as"),
        ('subject_id,skill,rank\np01_21-22,"steals,1\n', 0, "unexpected end of data", "quotes"),
        ("", None, "an empty file", "a header line"),
        ("  \n", None, "an empty file", "a header line"),
        ("PK\x03\x04\0\0", None, "no text", "a CSV file"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_in_our_words(tmp_path, text, row, given, allowed):
    path = written(tmp_path, text)
    with pytest.raises(BadInputError) as caught:
        read_experts(path, people(), 5)
    (problem,) = caught.value.problems
    assert (problem.row, problem.given) == (row, given)
    assert allowed in problem.allowed
    assert "truncate_ragged_lines" not in str(caught.value)


def test_a_folder_and_a_missing_file_are_told_apart(tmp_path):
    for path, given in ((tmp_path, "a folder"), (tmp_path / "none.csv", "no such file")):
        with pytest.raises(BadInputError) as caught:
            read_experts(path, people(), 5)
        (problem,) = caught.value.problems
        assert (problem.given, problem.allowed) == (given, "a CSV file")
