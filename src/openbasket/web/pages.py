"""Pages of templates, for a web server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import HTMLResponse

from openbasket.templating import templates

__all__ = ["Pages"]


class Pages:
    """Makes pages of a package's templates; they are compiled before anybody waits for one.

    Args:
        package: that has the folder ``templates``.
        shared: what all templates know, by name.
        filters: theirs, by name.
    """

    def __init__(
        self,
        package: str,
        shared: Mapping[str, Any],
        filters: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self._templates = templates(package)
        self._templates.globals.update(shared)
        self._templates.filters.update(filters or {})
        for name in self._templates.list_templates(["html"]):
            self._templates.get_template(name)

    def __call__(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page from its template."""
        return HTMLResponse(self._templates.get_template(name).render(**values), status)
