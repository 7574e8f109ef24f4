"""Pages made from the code: ``python docs/_pages.py`` writes them, a test says when they are stale."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from _ceiling import ceiling_page
from _rendered import ablations_figure, rendered_page
from typer.main import get_command

from openbasket import cli, skills, tables
from openbasket.transcripts.formats import PROVIDERS, module

REPO = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write the pages."""
    for path, page in PAGES.items():
        (REPO / "docs" / path).write_text(page(), encoding="utf-8")


def commands_page() -> str:
    """Every verb with its arguments and options."""
    parts = [
        "# Commands\n",
        "Exit codes: 0 all is well; 1 a check or an audit found faults; 2 bad usage or input.\n",
    ]
    for name, command in verbs(get_command(cli.app)):
        parts += [f"## `openbasket {name}`\n", f"{command.help}\n"]
        parts += ["| argument or option | meaning | default |", "|---|---|---|"]
        for parameter in command.params:
            if parameter.name == "help":
                continue
            words = ", ".join(f"`{o}`" for o in (*parameter.opts, *parameter.secondary_opts))
            if parameter.param_type_name == "argument":
                words = f"`{(parameter.metavar or parameter.name).upper()}`"
            default = parameter.default
            shown = "" if default in (None, (), [], False) or callable(default) else f"`{default}`"
            if parameter.required:
                shown = "required"
            parts.append(f"| {words} | {parameter.help or ''} | {shown} |")
        parts.append("")
    return "\n".join(parts)


def verbs(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every command below a group, by the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from verbs(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def providers_page() -> str:
    """Every provider's files and how they are read, from the modules that read them."""
    parts = [
        "# Providers\n",
        "What `openbasket import` reads. The name of a provider is what stands in a heading; `auto` finds it "
        "by a file's content.\n",
    ]
    for name in PROVIDERS:
        found = module(name)
        parts += [f"## `{name}`\n", f"Files: {found.FILES}.\n", inspect.getdoc(found) or "", ""]
    return "\n".join(parts)


def reliability_page() -> str:
    """How reliable the labels of the real leagues are, from the results of ``benchmarks/real_leagues.py``."""
    found = json.loads((REPO / "benchmarks" / "results" / "real_leagues.json").read_text())
    rows = found["reliability"]
    text = (REPO / "docs" / "concepts" / "label-reliability.in.md").read_text(encoding="utf-8")
    return text.replace("{{ table }}", _reliability_table(rows)).replace(
        "{{ noise }}", _noise_list(rows)
    ).replace("{{ checked }}", _checked_table(found["checked"]))  # fmt: skip


def _number(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None else format(value, form)


def _reliability_table(rows: list[dict[str, Any]]) -> str:
    leagues = list(dict.fromkeys(row["league"] for row in rows))
    lines = ["| skill | " + " | ".join(leagues) + " |", "|---" * (len(leagues) + 1) + "|"]
    by = {(row["league"], row["skill"]): row for row in rows}
    for skill in skills.SKILLS:
        cells = []
        for league in leagues:
            row = by.get((league, skill.key))
            if row is None:
                cells.append("-")
                continue
            shown = _number(row["split_half"])
            noise = row["verdict"] == "mostly noise"
            cells.append(
                f"{f'*{shown}*' if noise else shown} / {_number(row['year_to_year'])} / "
                f"{_number(row['level_change'], '.0%')}"
            )
        lines.append(f"| {skill.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _noise_list(rows: list[dict[str, Any]]) -> str:
    lines = []
    for skill in skills.SKILLS:
        judged = [r for r in rows if r["skill"] == skill.key and r["verdict"]]
        noise = [r["league"] for r in judged if r["verdict"] == "mostly noise"]
        if noise:
            where = "every league" if len(noise) == len(judged) else ", ".join(noise)
            lines.append(f"- **{skill.name}**: {where}")
    return "\n".join(lines) or "None."


def _checked_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| league | season | games | worst statistic | final scores | minutes | plus-minus | five a side | "
        "possessions / estimate | left out | without line-ups |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        share = {
            k: _number(r[k], ".2%")
            for k in (
                "worst_statistic",
                "final_scores",
                "minutes",
                "trusted_plus_minus",
                "five",
            )
        }
        lines.append(
            f"| {r['league']} | {r['season']} | {r['games']} | {share['worst_statistic']} | "
            f"{share['final_scores']} | {share['minutes']} | {share['trusted_plus_minus']} | "
            f"{share['five']} | {r['possessions']:.3f} | {r['left_out']} | {r['no_line_ups']} |"
        )
    return "\n".join(lines)


def tables_page() -> str:
    """Every table with its columns, types and rules."""
    parts = [
        "# Tables\n",
        "Parquet files under `openbasket/` in a workspace. Each is checked on every write and read. "
        f"The {len(skills.SKILL_KEYS)} skill keys and their formulas are on "
        "[a page of their own](../concepts/skills.md).\n",
    ]
    for name, model in tables.TABLES.items():
        schema = model.to_schema()
        lines = [line.strip() for line in (model.__doc__ or "").splitlines()]
        parts += [f"## {name}\n", "\n".join(lines).strip() + "\n"]
        unique = schema.unique or [c for c, field in schema.columns.items() if field.unique]
        if unique:
            parts.append(f"One row for each {', '.join(f'`{c}`' for c in unique)}.\n")
        parts += ["| column | type | null | rule |", "|---|---|---|---|"]
        for column, field in schema.columns.items():
            rules = "; ".join(_rule(check) for check in field.checks)
            parts.append(
                f"| `{column}` | {field.dtype.type} | {'yes' if field.nullable else 'no'} | {rules} |"
            )
        parts.append("")
    return "\n".join(parts)


def _rule(check: Any) -> str:
    values = list((check.statistics or {}).values())
    value = values[0] if values else ""
    if check.name == "isin":
        return "one of " + ", ".join(f"`{v}`" for v in value)
    if check.name == "str_matches":
        return f"matches `{str(value).replace('|', chr(92) + '|')}`"
    words = {
        "greater_than_or_equal_to": "at least",
        "less_than_or_equal_to": "at most",
        "greater_than": "more than",
        "less_than": "less than",
    }
    return f"{words.get(check.name, check.name)} {value}"


#: Where each page lies under ``docs``.
PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands_page,
    "reference/tables.md": tables_page,
    "reference/providers.md": providers_page,
    "concepts/label-reliability.md": reliability_page,
    "concepts/ceiling.md": ceiling_page,
    "reference/rendered-benchmark.md": rendered_page,
    "images/rendered-ablations.svg": ablations_figure,
}


if __name__ == "__main__":
    main()
