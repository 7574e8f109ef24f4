"""Pages that are made from the code when the docs are built, so that they cannot go stale."""

from __future__ import annotations

from typing import Any

from mkdocs.structure.files import File, Files
from typer.main import get_command

from openbasket import cli, skills, tables


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages (called by mkdocs)."""
    for path, text in {
        "reference/commands.md": commands_page(),
        "reference/tables.md": tables_page(),
    }.items():
        files.append(File.generated(config, path, content=text))
    return files


def commands_page() -> str:
    """Every verb with its arguments and options."""
    root: Any = get_command(cli.app)
    parts = [
        "# Commands\n",
        "Exit codes: 0 all is well; 1 a check or an audit found faults; 2 bad usage or input.\n",
    ]
    for name in root.commands:
        command = root.commands[name]
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
