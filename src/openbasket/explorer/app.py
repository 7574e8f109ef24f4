"""The pages of the explorer. They read a catalogue and change nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import polars as pl
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as AnyHTTPException

from openbasket.dataset.film import SUFFIX
from openbasket.dataset.statistics import Table, statistics
from openbasket.errors import OpenBasketError
from openbasket.explorer import charts, exports
from openbasket.explorer.catalogue import FACETS, Catalogue, Clip
from openbasket.explorer.door import Door
from openbasket.explorer.errors import errors_of
from openbasket.explorer.query import QueryFault, parse, search
from openbasket.leagues import LEAGUES
from openbasket.skills import BY_KEY, SKILLS, Category, category_means, level_names
from openbasket.web.guard import Guard
from openbasket.web.media import video
from openbasket.web.pages import Pages
from openbasket.wording import moment

__all__ = ["create_app"]

logger = logging.getLogger("openbasket.explorer")
HERE = Path(__file__).parent
#: The longest query string (characters), and how many players one page compares.
MAX_QUERY, MAX_COMPARED = 2_000, 4
#: What a dataset may lack, in words, and what tells it.
WORDS: dict[str, tuple[str, ...]] = {
    "names": ("name",),
    "ages": ("age",),
    "nationality": ("nationality",),
    "position": ("position",),
    "height": ("height_cm",),
    "clubs": ("club",),
    "games and minutes": ("games", "minutes"),
    "clips of reels": ("clips",),
}
TITLES = {404: "Not found", 405: "Not possible", 414: "Too long", 422: "This cannot be read"}


def create_app(catalogue: Catalogue, token: str | None = None) -> FastAPI:
    """The web application of a dataset.

    Args:
        catalogue: what it shows.
        token: whoever has it may come in; ``None``: everybody of this machine.
    """
    app = FastAPI(title="openbasket explorer", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    page = _pages(catalogue)
    _players(app, catalogue, page)
    _dataset(app, catalogue, page)
    _faults(app, page)
    app.add_middleware(Door, token=token)
    fault = partial(
        page, "message.html", 500, heading="That did not work", text="The log says what went wrong."
    )
    app.add_middleware(Guard, log="openbasket.explorer", fault=fault)
    return app


def _pages(catalogue: Catalogue) -> Pages:
    options = {
        name: catalogue.people[name].drop_nulls().unique().sort().to_list() for name in FACETS
    }
    shared = {
        "charts": charts,
        "levels": level_names(catalogue.levels),
        "league": _league,
        "options": options,
        "runs": catalogue.runs,
        "skills": SKILLS,
        "told": catalogue.told,
        "facts": [name for name, known in catalogue.told.items() if known],
        "missing": [
            word for word, names in WORDS.items() if not any(map(catalogue.told.get, names))
        ],
        "title": catalogue.root.resolve().name,
        "top": catalogue.levels - 1,
        "total": catalogue.people.height,
    }
    filters = {"part": lambda text: quote(str(text), safe=""), "moment": moment}
    return Pages("openbasket.explorer", shared, filters)


def _pairs(request: Request) -> list[tuple[str, str]]:
    """The query string.

    Raises:
        HTTPException: 414; it is too long.
        QueryFault: it is not one.
    """
    text = request.scope["query_string"]
    if len(text) > MAX_QUERY:
        raise HTTPException(414, f"A query has {MAX_QUERY:,} characters at most.")
    try:
        return parse_qsl(
            text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=40
        )
    except ValueError:
        raise QueryFault("This query cannot be read.") from None


def _players(app: FastAPI, catalogue: Catalogue, page: Pages) -> None:
    def person(subject_id: str) -> dict[str, Any]:
        found = catalogue.person(subject_id)
        if found is None:
            raise HTTPException(404, "There is no such player in this dataset.")
        return found

    def means(row: Mapping[str, Any]) -> dict[Category, float | None]:
        return category_means([row[s.key] for s in SKILLS])

    @app.get("/", response_class=HTMLResponse)
    def index(request: Request) -> Response:
        query = parse(_pairs(request))
        return page("index.html", query=query, found=search(catalogue, query))

    @app.get("/players/{subject_id}", response_class=HTMLResponse)
    def player(subject_id: str) -> Response:
        if catalogue.person(subject_id) is None:
            seasons = catalogue.seasons(subject_id)
            if seasons:
                return RedirectResponse(f"/players/{quote(seasons[0]['subject_id'], safe='')}", 303)
        row = person(subject_id)
        clips = catalogue.clips(subject_id)
        kinds: dict[str, list[Clip]] = {}
        for clip in clips:
            kinds.setdefault(clip.kind, []).append(clip)
        name = catalogue.videos.get(subject_id)
        return page(
            "player.html",
            row=row,
            seasons=catalogue.seasons(row["player_id"]),
            club=catalogue.club(row["subject_id"]),
            categories=means(row),
            guesses=catalogue.guesses(subject_id),
            kinds=dict(sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))),
            clips=len(clips),
            filmed=name is not None and video(catalogue.root, name) is not None,
            drawn=name is not None and name.endswith(SUFFIX),
        )

    def listed(subject_id: str, request: Request) -> tuple[dict[str, Any], list[Clip]]:
        row = person(subject_id)
        asked = dict(_pairs(request))
        if set(asked) - {"kind"}:
            raise QueryFault("A list of clips takes 'kind' alone.")
        clips = catalogue.clips(subject_id)
        return row, [c for c in clips if c.kind == asked.get("kind", c.kind)]

    @app.get("/players/{subject_id}/clips.csv")
    def clips_csv(subject_id: str, request: Request) -> Response:
        row, clips = listed(subject_id, request)
        return _download(exports.clips_csv(row, clips), "text/csv; charset=utf-8", row, "csv")

    @app.get("/players/{subject_id}/clips.xml")
    def clips_xml(subject_id: str, request: Request) -> Response:
        row, clips = listed(subject_id, request)
        return _download(exports.clips_xml(row, clips), "application/xml", row, "xml")

    @app.head("/media/{subject_id}", include_in_schema=False)
    @app.get("/media/{subject_id}")
    def media(subject_id: str) -> Response:
        name = catalogue.videos.get(subject_id)
        shown = video(catalogue.root, name) if name else None
        if shown is None:
            raise HTTPException(404, "This reel is not on this machine.")
        return shown

    @app.get("/compare", response_class=HTMLResponse)
    def compare(request: Request) -> Response:
        pairs = [(k, v) for k, v in _pairs(request) if v]
        if any(k not in ("id", "add") for k, _ in pairs):
            raise QueryFault("A comparison takes 'id', up to four times.")
        ids = list(dict.fromkeys(v for _, v in pairs))
        if len(ids) > MAX_COMPARED:
            raise QueryFault(f"Up to {MAX_COMPARED} players can be compared; these are {len(ids)}.")
        rows = [person(one) for one in ids]
        without = {
            one: "/compare?" + urlencode([("id", other) for other in ids if other != one])
            for one in ids
        }
        series = [[*means(row).values()] for row in rows]
        return page(
            "compare.html",
            rows=rows,
            without=without,
            series=series,
            most=MAX_COMPARED,
        )


def _dataset(app: FastAPI, catalogue: Catalogue, page: Pages) -> None:
    people = catalogue.people

    def counts(column: str) -> dict[str, int]:
        found = people.group_by(pl.col(column).fill_null("not told")).len()
        return dict(found.sort("len", column, descending=[True, False]).rows())

    @cache
    def counted() -> tuple[dict[str, dict[str, int]], Sequence[Table]]:
        charted = {name: counts(name) for name in FACETS}
        ages = people["age"].drop_nulls()
        if len(ages):
            charted["age"] = {
                f"{five} to {five + 4}": n
                for five, n in (ages // 5 * 5).value_counts().sort("age").rows()
            }
        if catalogue.workspace is None:
            return charted, ()
        shown = [t for t in statistics(catalogue.workspace).tables() if "by " not in t[0]]
        return charted, shown

    @app.get("/statistics", response_class=HTMLResponse)
    def numbers() -> Response:
        charted, told = counted()
        labels = {
            s.key: [int((people[s.key] == level).sum()) for level in range(catalogue.levels)]
            for s in SKILLS
        }
        persons = people["player_id"].n_unique()
        return page("statistics.html", charted=charted, tables=told, labels=labels, persons=persons)

    @app.get("/map", response_class=HTMLResponse)
    def places() -> Response:
        players = counts("league")
        return page(
            "map.html",
            players=players,
            unknown=[key for key in players if key not in LEAGUES],
            picture=charts.world(players),
        )

    @app.get("/errors", response_class=HTMLResponse)
    def errors(request: Request) -> Response:
        asked = dict(_pairs(request))
        run, skill = asked.get("run", ""), asked.get("skill", "")
        if set(asked) - {"run", "skill"} or (skill and skill not in BY_KEY):
            raise QueryFault("This page takes 'run' and 'skill'; 'skill' is a skill's key.")
        if not catalogue.runs:
            return page("errors.html", run="", skill=skill, found=None)
        run = run or catalogue.runs[0]
        if run not in catalogue.runs:
            raise HTTPException(404, "There is no such run among the predictions.")
        return page("errors.html", run=run, skill=skill, found=errors_of(catalogue, run, skill))

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok", "players": people.height})


def _faults(app: FastAPI, page: Pages) -> None:
    @app.exception_handler(AnyHTTPException)
    async def told(_: Request, error: AnyHTTPException) -> Response:
        heading = TITLES.get(error.status_code, "That did not work")
        text = str(error.detail)
        text = "There is no such page." if text == "Not Found" else text
        return page("message.html", error.status_code, heading=heading, text=text)

    @app.exception_handler(QueryFault)
    async def unread(_: Request, error: QueryFault) -> Response:
        return page("message.html", 422, heading=TITLES[422], text=str(error))

    @app.exception_handler(OpenBasketError)
    async def damaged(_: Request, error: OpenBasketError) -> Response:
        logger.error("damaged", exc_info=error)
        text = (
            "A file of the dataset is damaged; the log says which. 'openbasket verify' tells more."
        )
        return page("message.html", 500, heading="Damaged data", text=text)


def _download(content: str | bytes, kind: str, row: Mapping[str, Any], ending: str) -> Response:
    safe = "".join(
        c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in row["subject_id"]
    )
    headers = {"content-disposition": f'attachment; filename="{safe}_clips.{ending}"'}
    return Response(content, media_type=kind, headers=headers)


def _league(key: str) -> str:
    return LEAGUES[key].name if key in LEAGUES else key
