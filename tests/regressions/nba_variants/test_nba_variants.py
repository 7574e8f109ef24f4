"""The NBA family's formats as other people's files have them: the same game must give the same tables."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from formats.games import made_up_games
from formats.writers import WRITERS

from openbasket.errors import BadInputError
from openbasket.transcripts import import_files
from openbasket.transcripts.check import check
from openbasket.workspace import Workspace

DATA = Path(__file__).resolve().parents[2] / "data"
SAME = ["game_id", "period", "clock_s", "kind", "team_id", "player_id", "made", "value"]


def load(provider: str, name: str):
    return json.loads(gzip.decompress((DATA / provider / f"{name}.json.gz").read_bytes()))


def imported(path: Path, *files: Path) -> Workspace:
    ws = Workspace(path, create=True)
    import_files("auto", files, ws, quiet=True)
    return ws


def events(ws: Workspace) -> list[tuple]:
    return ws.read("events").sort("game_id", "order").select(SAME).rows()


def write_csv(path: Path, columns: list[str], rows: list[list], *, index: bool = False) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow((["Unnamed: 0"] if index else []) + columns)
        out.writerows(([n] if index else []) + row for n, row in enumerate(rows))
    return path


# -- version 2 ---------------------------------------------------------------------------------


@pytest.fixture
def v2():
    table = load("nba_stats", "stats_0021600270")["resultSets"][0]
    return table["headers"], table["rowSet"]


HOOPR = {
    "EVENTNUM": "event_num", "EVENTMSGTYPE": "event_type", "EVENTMSGACTIONTYPE": "event_action_type",
    "PCTIMESTRING": "time_quarter", "HOMEDESCRIPTION": "home_description", "GAME_ID": "game_id",
    "VISITORDESCRIPTION": "visitor_description", "WCTIMESTRING": "wc_time_string",
}  # fmt: skip


@pytest.mark.parametrize("form", ["dump", "hoopr", "records", "normalized", "list"])
def test_version_2_in_every_spelling(form, v2, tmp_path):
    headers, rows = v2
    folder = tmp_path / "in"
    folder.mkdir()
    if form == "dump":  # lower case, an index, ids that lost their zeros, empty cells called nan
        at = headers.index("GAME_ID")
        rows = [
            [int(c) if n == at else "nan" if c is None else c for n, c in enumerate(row)]
            for row in rows
        ]
        write_csv(folder / "pbp.csv", [h.lower() for h in headers], rows, index=True)
    elif form == "hoopr":
        names = [HOOPR.get(h, h.lower()) for h in headers]
        write_csv(
            folder / "p.csv", names, [["NA" if c is None else c for c in row] for row in rows]
        )
    elif form == "list":
        answers = [load("nba_stats", "stats_0021600270"), load("nba_stats", "stats_0021600270")]
        (folder / "games.json").write_text(json.dumps(answers))
    else:
        records = [dict(zip(headers, row, strict=True)) for row in rows]
        content = records if form == "records" else {"PlayByPlay": records}
        (folder / "p.json").write_text(json.dumps(content))
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "p.json").write_text(json.dumps(load("nba_stats", "stats_0021600270")))
    given = imported(tmp_path / "ws", folder)
    assert given.seasons("games") == [("nba", "16-17")]
    assert events(given) == events(imported(tmp_path / "as_is", plain))


def test_version_2_sorted_as_text_and_twice(v2, tmp_path):
    """Rows sorted by the text of their number ("1", "10", "100", "2"), some of them twice."""
    headers, rows = v2
    at = headers.index("EVENTNUM")
    sorted_rows = sorted([*rows, *rows[:50]], key=lambda row: str(row[at]))
    box = tmp_path / "box.json"
    box.write_text(json.dumps(load("nba_stats", "stats_boxscore_0021600270")))
    mixed = check(
        imported(tmp_path / "ws", write_csv(tmp_path / "p.csv", headers, sorted_rows), box)
    )
    assert set(mixed.agreement.values()) == {1.0}
    assert mixed.minutes == 1.0


def test_games_without_plays_beside_others(v2, tmp_path):
    """Postponed games: an answer without rows."""
    answer = load("nba_stats", "stats_0021600270")
    empty = json.loads(json.dumps(answer))
    empty["resultSets"][0]["rowSet"] = []
    for name, content in (
        ("a.json", answer),
        ("b.json", empty),
        ("c.json", {"game": {"gameId": "0022300002", "actions": []}}),
    ):
        (tmp_path / name).write_text(json.dumps(content))
    ws = imported(tmp_path / "ws", *(tmp_path / f"{n}.json" for n in "abc"))
    assert ws.read("games").height == 1


def test_version_2_with_a_box_score_of_version_3(v2, tmp_path):
    headers, rows = v2
    sets = load("nba_stats", "stats_boxscore_0021600270")["resultSets"][0]
    names = {
        "GAME_ID": "gameId", "TEAM_ID": "teamId", "PLAYER_ID": "personId", "PLAYER_NAME": "nameI",
        "START_POSITION": "position", "MIN": "minutes", "FGM": "fieldGoalsMade", "TO": "turnovers",
        "FGA": "fieldGoalsAttempted", "FG3M": "threePointersMade", "FG3A": "threePointersAttempted",
        "FTM": "freeThrowsMade", "FTA": "freeThrowsAttempted", "OREB": "reboundsOffensive",
        "DREB": "reboundsDefensive", "AST": "assists", "STL": "steals", "BLK": "blocks",
        "PF": "foulsPersonal", "PTS": "points", "PLUS_MINUS": "plusMinusPoints",
    }  # fmt: skip
    box = write_csv(
        tmp_path / "box.csv", [names.get(h, h) for h in sets["headers"]], sets["rowSet"]
    )
    given = imported(tmp_path / "ws", write_csv(tmp_path / "pbp.csv", headers, rows), box)
    found = check(given)
    assert found.player_games == 19
    assert set(found.agreement.values()) == {1.0}
    assert found.minutes == 1.0


def test_a_table_without_players_is_refused_and_names_the_columns(v2, tmp_path):
    headers, rows = v2
    keep = [n for n, h in enumerate(headers) if not h.startswith("PLAYER")]
    file = write_csv(
        tmp_path / "v1.csv", [headers[n] for n in keep], [[row[n] for n in keep] for row in rows]
    )
    with pytest.raises(BadInputError, match="PLAYER1_ID"):
        imported(tmp_path / "ws", file)


def _period_lengths(v2, tmp_path, game, change):
    headers, rows = v2
    at = {h: n for n, h in enumerate(headers)}
    rows = [list(row) for row in rows]
    for row in rows:
        row[at["GAME_ID"]] = game
    rows = [row for row in rows if change(row, at) is not False]
    ws = imported(tmp_path / "ws", write_csv(tmp_path / "pbp.csv", headers, rows))
    return ws.read("games").select("league", "periods", "period_s", "overtime_s").row(0)


def test_the_wnba_of_2005_played_halves(v2, tmp_path):
    def change(row, at):
        if row[at["PERIOD"]] > 2:
            return False
        if row[at["EVENTMSGTYPE"]] == 12:
            row[at["PCTIMESTRING"]] = "20:00"
        return True

    assert _period_lengths(v2, tmp_path, "1020500001", change) == ("wnba", 2, 1200.0, 300.0)


def test_overtimes_are_as_long_as_their_first_row_says(v2, tmp_path):
    def change(row, at):
        if row[at["PERIOD"]] == 4:
            row[at["PERIOD"]] = 5
            minutes, seconds = map(int, row[at["PCTIMESTRING"]].split(":"))
            row[at["PCTIMESTRING"]] = f"{minutes // 6}:{seconds:02d}"
        return True

    assert _period_lengths(v2, tmp_path, "2022300001", change) == ("gleague", 4, 720.0, 120.0)


# -- version 3 ---------------------------------------------------------------------------------


@pytest.fixture
def v3():
    return load("nba_stats_v3", "stats_pbpv3_1022500283")["game"]


def test_version_3_tables_of_other_packages(v3, tmp_path):
    plain = tmp_path / "p.json"
    plain.write_text(json.dumps({"game": v3}))
    keys = list(v3["actions"][0])
    names = ["".join(f"_{c.lower()}" if c.isupper() else c for c in k) for k in keys]
    rows = [[action[k] for k in keys] for action in v3["actions"]]
    as_is = events(imported(tmp_path / "as_is", plain))
    # the game's id in the file's name alone
    snake = write_csv(tmp_path / "pbp_1022500283.csv", names, rows, index=True)
    assert events(imported(tmp_path / "snake", snake)) == as_is
    twice = tmp_path / "list.json"
    twice.write_text(json.dumps([{"game": v3}, {"meta": {}, "game": v3}]))
    assert events(imported(tmp_path / "list", twice)) == as_is
    nameless = write_csv(tmp_path / "pbp.csv", names, rows)
    with pytest.raises(BadInputError, match="ten digits"):
        imported(tmp_path / "none", nameless)


def test_version_3_team_rows_have_the_team_in_place_of_the_player(v3, tmp_path):
    file = tmp_path / "p.json"
    file.write_text(json.dumps({"game": v3}))
    ws = imported(tmp_path / "ws", file)
    rebounds = ws.read("events").filter(
        pl.col("kind").str.ends_with("rebound") & pl.col("player_id").is_null()
    )
    assert rebounds.height > 0
    assert rebounds["team_id"].null_count() == 0
    assert set(rebounds["kind"]) == {"offensive_rebound", "defensive_rebound"}
    assert (
        ws.read("events").filter(kind="blocked").height
        == ws.read("events").filter(kind="block").height
    )


def test_version_3_names_two_of_a_team_as_the_texts_do(tmp_path):
    def action(number, clock, person, name, short, said, kind, sub="", result=""):
        return {
            "actionNumber": number, "clock": clock, "period": 1, "teamId": 1610612748, "personId": person,
            "playerName": name, "playerNameI": short, "shotResult": result, "description": said,
            "actionType": kind, "subType": sub, "location": "h", "shotValue": 2,
        }  # fmt: skip

    actions = [
        action(1, "PT11M00.00S", 11, "Robinson", "D. Robinson", "SUB: O. Robinson FOR D. Robinson",
               "Substitution"),
        action(2, "PT10M00.00S", 12, "Robinson", "O. Robinson", "MISS O. Robinson 9' Jump Shot",
               "Missed Shot", "Jump Shot", "Missed"),
        action(3, "PT09M00.00S", 13, "Herro", "T. Herro", "Herro 9' Jump Shot (2 PTS) (O. Robinson 1 AST)",
               "Made Shot", "Jump Shot", "Made"),
        action(4, "PT08M00.00S", 14, "Ware", "K. Ware", "Ware Free Throw 2PT (2 PTS)", "Free Throw",
               "Free Throw 2PT"),
        action(5, "PT07M00.00S", 21, "Tatum", "J. Tatum", "MISS Tatum Dunk", "Missed Shot", "Dunk",
               "Missed") | {"teamId": 1610612738, "location": "v"},
    ]  # fmt: skip
    file = tmp_path / "p.json"
    file.write_text(json.dumps({"game": {"gameId": "2022300001", "actions": actions}}))
    ws = imported(tmp_path / "ws", file)
    found = ws.read("events")
    assert found.filter(kind="sub_in")["player_id"].to_list() == ["nba12"]
    assert found.filter(kind="sub_out")["player_id"].to_list() == ["nba11"]
    assert found.filter(kind="assist")["player_id"].to_list() == ["nba12"]
    assert found.filter(kind="free_throw")["value"].to_list() == [2]


# -- live and data.nba.net ---------------------------------------------------------------------


def test_live_actions_as_a_table_of_a_season(tmp_path):
    game = load("nba_live", "live_0022000001")["game"]
    plain = tmp_path / "p.json"
    plain.write_text(json.dumps({"game": game}))
    keys = [*dict.fromkeys(k for action in game["actions"] for k in action), "gameId"]
    rows = [
        [action.get(k, "") for k in keys[:-1]] + [game["gameId"].lstrip("0")]
        for action in reversed(game["actions"])
    ]
    table = write_csv(tmp_path / "cdnnba_2020.csv", keys, rows)
    as_is = imported(tmp_path / "as_is", plain)
    given = imported(tmp_path / "ws", table, plain)  # the game is in both
    assert events(given) == events(as_is)
    assert given.read("events")["wall_time"].null_count() < given.read("events").height


def test_one_free_throw_for_two_points_in_live_actions_of_the_g_league(tmp_path):
    def action(team, person, home, away, kind, sub):
        return {
            "timeActual": "2024-01-01T00:00:00Z", "actionType": kind, "subType": sub, "clock": "PT05M00.00S",
            "period": 1, "teamId": team, "personId": person, "shotResult": "Made", "scoreHome": str(home),
            "scoreAway": str(away),
        }  # fmt: skip

    actions = [
        action(1612700001, 11, 2, 0, "2pt", "Layup"),
        action(1612700002, 21, 2, 2, "freethrow", "1 of 1"),
        action(1612700001, 11, 3, 2, "freethrow", "1 of 1"),
    ]
    file = tmp_path / "p.json"
    file.write_text(json.dumps({"game": {"gameId": "2022300001", "actions": actions}}))
    found = imported(tmp_path / "ws", file).read("events")
    assert found.filter(kind="free_throw").sort("order")["value"].to_list() == [2, 1]


def test_data_net_as_a_table_of_a_season(tmp_path):
    game = load("nba_data", "data_0021600270")["g"]
    plain = tmp_path / "p.json"
    plain.write_text(json.dumps({"g": game}))
    plays = [play | {"PERIOD": p["p"]} for p in game["pd"] for play in p["pla"]]
    keys = [*dict.fromkeys(k for play in plays for k in play)]
    rows = [[play.get(k, "") for k in keys] + [game["gid"].lstrip("0")] for play in plays]
    table = write_csv(tmp_path / "datanba_2016.csv", [*keys, "GAME_ID"], rows)
    as_is = events(imported(tmp_path / "as_is", plain))
    assert events(imported(tmp_path / "ws", table)) == as_is


def test_a_foul_of_which_nobody_says_who_was_fouled_is_flagged(tmp_path):
    document = load("nba_data", "data_0021600270")
    path = tmp_path / "data_0021600270.json"
    path.write_text(json.dumps(document))
    sound = imported(tmp_path / "sound", path).read("flags")
    assert "fouls drawn" not in sound["check"].to_list()
    fouls = [
        p for part in document["g"]["pd"] for p in part["pla"] if p["etype"] == 6 and p["opid"]
    ]
    fouls[3]["opid"] = ""
    path.write_text(json.dumps(document))
    flags = (
        imported(tmp_path / "short", path).read("flags").filter(pl.col("check") == "fouls drawn")
    )
    assert flags.select("scope", "reason").rows() == [
        ("note", "1 personal foul does not tell who was fouled")
    ]
    # Where a provider never tells it, there is nothing to say.
    for foul in fouls:
        foul["opid"] = ""
    path.write_text(json.dumps(document))
    silent = imported(tmp_path / "silent", path).read("flags")
    assert "fouls drawn" not in silent["check"].to_list()


def test_a_box_score_goes_with_the_plays_that_need_it(tmp_path):
    """Box scores of stats.nba.com serve four formats; alone they are no games."""
    game = load("nba_data", "data_0021600270")["g"]
    plays = [play | {"PERIOD": p["p"]} for p in game["pd"] for play in p["pla"]]
    keys = [*dict.fromkeys(k for play in plays for k in play)]
    rows = [[play.get(k, "") for k in keys] + [game["gid"]] for play in plays]
    table = write_csv(tmp_path / "datanba_2016.csv", [*keys, "GAME_ID"], rows)
    sets = load("nba_stats", "stats_boxscore_0021600270")["resultSets"][0]
    at = sets["headers"].index("GAME_ID")
    lines = [[int(c) if n == at else c for n, c in enumerate(row)] for row in sets["rowSet"]]
    box = write_csv(tmp_path / "box.csv", sets["headers"], lines)
    assert check(imported(tmp_path / "ws", table, box)).player_games == 19
    with pytest.raises(BadInputError, match="no play-by-play among the files of"):
        imported(tmp_path / "alone", box)


# -- basketball-reference ----------------------------------------------------------------------


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "cells"
    folder.mkdir()
    WRITERS["bbref"](made_up_games(tmp_path / "games"), folder)
    files = sorted(folder.iterdir())
    return [(f.stem.removesuffix("_pbp"), [r["cells"] for r in json.loads(f.read_text())]) for f in files], folder  # fmt: skip


def html(name: str, cells: list[list[str]], address: str = "boxscores") -> str:
    body = "<tr><th colspan=6>1st Q</th></tr>"
    for row in cells:
        tag = "th" if row[0] == "Time" else "td"
        body += "<tr>" + "".join(f"<{tag}>{c.replace('&', '&amp;')}</{tag}>" for c in row) + "</tr>"
    head = f'<link rel="canonical" href="https://www.basketball-reference.com/{address}/pbp/{name}.html">'
    table = f'<!-- <table id="pbp">{body}</table> -->'
    return f"<!DOCTYPE html><html><head>{head}</head><body><table><tr><td>x</td></tr></table>{table}</body></html>"  # fmt: skip


@pytest.mark.parametrize("form", ["html", "pandas", "season", "scraped"])
def test_pages_of_basketball_reference_in_every_form(form, pages, tmp_path):
    games, folder = pages
    out = tmp_path / "in"
    out.mkdir()
    rows = []
    for name, cells in games:
        teams = cells[0][1], cells[0][5]
        if form == "html":
            (out / f"page of {name[:8]}.html").write_text(html(name, cells))
        elif form == "pandas":
            head = ["", "Unnamed: 2_level_1", "Score", "Unnamed: 4_level_1", ""]
            write_csv(
                out / f"{name}.csv",
                ["", *["1st Q"] * 6],
                [["", "Time", teams[0], *head[1:4], teams[1]]]
                + [["1", *["2nd Q"] * 6], ["2", "12:00.0", *["Jump ball: A vs. B"] * 5]]
                + [[str(n), *row] for n, row in enumerate(cells[1:])],
            )
        for clock, away, _, score, _, home in cells[1:]:
            minutes, seconds = clock.split(":")
            left = int(minutes) * 60 + float(seconds)
            scores = score.split("-")
            if form == "season":
                rows.append([f"/boxscores/{name}.html", "regular", 1, left, teams[0], away, scores[0],
                             teams[1], home, scores[1]])  # fmt: skip
            elif form == "scraped":
                team = teams[0] if away else teams[1]
                rows.append([scores[0], teams[0], away or home, scores[1], teams[1], team, left])
        if form == "scraped":
            columns = ["away_score", "away_team", "description", "home_score", "home_team",
                       "relevant_team", "remaining_seconds_in_period"]  # fmt: skip
            write_csv(out / f"{name}_pbp.csv", columns, rows)
            rows = []
    if form == "season":
        columns = ["URL", "GameType", "Quarter", "SecLeft", "AwayTeam", "AwayPlay", "AwayScore",
                   "HomeTeam", "HomePlay", "HomeScore"]  # fmt: skip
        write_csv(out / "2015-16_pbp.csv", columns, rows)
    given = imported(tmp_path / "ws", out)
    as_is = imported(tmp_path / "as_is", folder)
    kinds = pl.col("kind") != "jump_ball"

    def rest(ws):
        return ws.read("events").filter(kinds).sort("game_id", "order").select(SAME).rows()

    assert rest(given) == rest(as_is)


def test_a_page_has_ids_where_two_players_share_a_name(pages, tmp_path):
    games, _ = pages
    name, cells = games[0]
    one, two = (f'<a href="/players/c/{p}01.html">S. Curry</a>' for p in ("curryst", "curryse"))
    more = [["5:00.0", "", "", "0-0", "", f"{one} enters the game for {two}"],
            ["4:00.0", "", "", "0-2", "+2", f"{one} makes 2-pt layup at rim"],
            ["3:00.0", "", "", "0-2", "", "Turnover by (8 sec)"],
            ["2:00.0", "", "", "0-2", "", "Double personal foul by A. Able and B. Baker"],
            ["1:00.0", "", "", "0-2", "", "Double technical foul by A. Able and B. Baker"]]  # fmt: skip
    page = tmp_path / "p.html"
    page.write_text(html(f"{name[:8]}0NYL", [cells[0], *more, ["9:00.0", "A. Able makes 2-pt layup", "", "2-2", "", ""]],
                         "wnba/boxscores"))  # fmt: skip
    ws = imported(tmp_path / "ws", page)
    assert ws.seasons("games")[0][0] == "wnba"
    found = ws.read("events")
    assert found.filter(kind="sub_in")["player_id"].to_list() == ["bbref-curryst01"]
    assert found.filter(kind="sub_out")["player_id"].to_list() == ["bbref-curryse01"]
    assert found.filter(kind="turnover")["player_id"].to_list() == [None]
    assert found.filter(kind="foul").height == 2
    assert "S. Curry" in ws.read("players")["name"].to_list()
    assert ws.read("flags").filter(check="names").is_empty()
