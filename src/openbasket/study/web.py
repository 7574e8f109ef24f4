"""What all web applications of the study have: pages, static files, answers to faults, ``/healthz``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from openbasket.study.database import Database
from openbasket.web.guard import Guard
from openbasket.web.pages import Pages

__all__ = ["pages", "web_app"]

logger = logging.getLogger("openbasket.study")
HERE = Path(__file__).parent
TITLES = {403: "Not allowed", 404: "Not found", 429: "Too many tries", 503: "Please try again"}


def pages(design: object) -> Pages:
    """The study's pages.

    Args:
        design: what the templates call so: something with ``title`` and ``contact``.
    """
    return Pages("openbasket.study", {"design": design})


def web_app(
    database: Database,
    page: Pages,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    *,
    https: bool = False,
    public_url: str | None = None,
) -> FastAPI:
    """An application without pages of its own.

    Args:
        database: that must answer for the application to be healthy.
        page: makes the pages.
        lifespan: what is done at start and end.
        https: whether people reach it through https.
        public_url: where it is given, requests for other hosts are refused (but those of this machine).
    """
    app = FastAPI(
        title="openbasket study", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")

    def fault() -> Response:
        told = "It was noted. Please try again."
        return page("message.html", 500, title="A fault of ours", text=told)

    if public_url is not None:
        hosts = [urlsplit(public_url).hostname or "", "127.0.0.1", "localhost"]
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    app.add_middleware(Guard, log="openbasket.study", fault=fault, https=https)

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        try:
            with database.read() as session:
                session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return JSONResponse({"status": "no database"}, 503)
        return JSONResponse({"status": "ok"})

    @app.exception_handler(HTTPException)
    async def told(request: Request, error: HTTPException) -> Response:
        title = TITLES.get(error.status_code, "That did not work")
        answer = page("message.html", error.status_code, title=title, text=str(error.detail),
                      admin=request.url.path.startswith("/admin"))  # fmt: skip
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def no_sense(_: Request, __: RequestValidationError) -> Response:
        return JSONResponse({"error": "This request cannot be read."}, 422)

    @app.exception_handler(SQLAlchemyError)
    async def no_database(_: Request, error: SQLAlchemyError) -> Response:
        logger.error("database", exc_info=error)
        told = "Your answer may not have been stored. Please go back to the study and see."
        return page("message.html", 503, title=TITLES[503], text=told)

    return app
