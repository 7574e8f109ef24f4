"""Templates of HTML: every text in a page is escaped, and a name that is not known is a fault."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["templates"]


def templates(package: str) -> Environment:
    """The templates in a package's folder ``templates``."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
