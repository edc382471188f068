"""Kinds of arguments, and the options and arguments that several commands share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from zun_compose.cli.table import moment

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(us|ms|s|m|h|d)")


def seconds(text: str) -> float:
    """Return the seconds that a duration such as "90", "1.5s", "10m" or "1h30m" says; raises ValueError."""
    text = text.strip()
    try:
        plain = float(text)
    except ValueError:
        pass
    else:
        if plain < 0 or plain != plain or plain == float("inf"):
            raise ValueError(text)
        return plain
    end, total = 0, 0.0
    for match in _PART.finditer(text):
        if match.start() != end:
            raise ValueError(text)
        total += float(match[1]) * _UNITS[match[2]]
        end = match.end()
    if end != len(text) or not text:
        raise ValueError(text)
    return total


def duration(text: str) -> float:
    """Read a duration in seconds: a number, or with units as in "1h30m"."""
    try:
        return seconds(text)
    except ValueError:
        raise click.BadParameter(f'"{text}" is not a duration such as 30, 1.5s, 10m or 1h30m') from None


def instant(text: str) -> float:
    """Read a moment as seconds since the epoch: RFC 3339, a date, such seconds, or a duration back from now.

    Without a zone the local one counts, as in docker compose.
    """
    if re.fullmatch(r"\d{9,}(\.\d+)?", text):
        return float(text)
    with suppress(ValueError):
        return time.time() - seconds(text)
    found = moment(text)
    if found is None:
        raise click.BadParameter(
            f'"{text}" is neither a moment such as 2026-01-02T13:23:37Z nor a duration such as 10m'
        )
    return found.astimezone(UTC).timestamp()


def scale(text: str) -> tuple[str, int]:
    """Read SERVICE=NUMBER."""
    service, equals, number = text.rpartition("=")
    if not equals or not service or not re.fullmatch(r"\d{1,6}", number):
        raise click.BadParameter(f'"{text}" is not SERVICE=NUMBER')
    return service, int(number)


def tail(text: str) -> int:
    """Read a number of lines, or "all", which is -1."""
    if text == "all":
        return -1
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise click.BadParameter(f'"{text}" is neither a number of lines nor "all"')
    return max(int(text), -1)


def variable(text: str) -> tuple[str, str | None]:
    """Read NAME=VALUE, or NAME alone: then the value is None."""
    name, equals, value = text.partition("=")
    if not name:
        # The value may be a secret, so the message does not repeat it.
        raise click.BadParameter("a variable needs a name, as in NAME=VALUE")
    return name, value if equals else None


def complete_services(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete service names from the stack file; anything wrong with it completes nothing."""
    from zun_compose.cli.completing import service_names

    root = ctx.find_root()
    return [CompletionItem(name) for name in service_names(root.params) if name.startswith(incomplete)]


def services(*, required: bool = False) -> Callable[[F], F]:
    """Add the argument SERVICE..., with completion from the stack file."""
    return click.argument(
        "services", metavar="[SERVICE]...", nargs=-1, required=required, shell_complete=complete_services
    )


def one_service() -> Callable[[F], F]:
    """Add the argument SERVICE, with completion from the stack file."""
    return click.argument("service", metavar="SERVICE", shell_complete=complete_services)


def stop_timeout() -> Callable[[F], F]:
    """Add -t/--timeout, the stop grace."""
    return click.option(
        "-t",
        "--timeout",
        type=duration,
        metavar="SECONDS",
        help="How long a container may take to stop before it is killed [default: as the file says, else 10]",
    )


def row_format() -> Callable[[F], F]:
    """Add --format for rows: table, json or a Go template."""
    return click.option(
        "--format",
        "form",
        default="table",
        metavar="FORMAT",
        help='How to print: table, json (an object a line), or a template: "{{.Name}}", "table {{.Name}}"',
    )


def output_format(*names: str) -> Callable[[F], F]:
    """Add --format with these names; the first one is the default."""
    return click.option(
        "--format", "form", type=click.Choice(names), default=names[0], help="How to print", show_default=True
    )
