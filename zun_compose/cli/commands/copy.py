"""cp: files between this machine and containers."""

from __future__ import annotations

import os
import sys

import click
from click.shell_completion import CompletionItem

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.params import complete_services
from zun_compose.errors import UsageError
from zun_compose.options import CopyOptions

STREAM = "-"


def split(word: str) -> tuple[str | None, str]:
    """Read SERVICE:PATH, or a path of this machine: one that starts with / or ., or has no colon."""
    service, colon, path = word.partition(":")
    if not colon or not service or word.startswith((".", os.sep)):
        return None, word
    return service, path


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    services = complete_services(ctx, param, incomplete)
    # a shell completes files by itself where nothing of ours fits
    return [CompletionItem(incomplete, type="file"), *(CompletionItem(f"{one.value}:") for one in services)]


@click.command("cp")
@click.option("--index", type=click.IntRange(1), help="Number of the container, if there are several")
@click.option("--all", is_flag=True, help="Containers that run made too, unless --index names one")
@click.option(
    "-a",
    "--archive",
    is_flag=True,
    help="Keep owners by number [default: root in a container, you on this machine]",
)
@click.option("-L", "--follow-link", "follow", is_flag=True, help="Copy what a link leads to")
@click.argument("source", metavar="SERVICE:PATH|PATH|-", shell_complete=_complete)
@click.argument("destination", metavar="SERVICE:PATH|PATH|-", shell_complete=_complete)
@click.pass_obj
def cp(
    call: Invocation,
    /,
    index: int | None,
    all: bool,
    archive: bool,
    follow: bool,
    source: str,
    destination: str,
) -> None:
    """Copy files between a service's containers and this machine.

    Into a service means into all its containers, unless --index names one; out of it, out of the first one.
    A folder that exists is copied into; PATH/. stands for what is in a folder. - is a tar on stdin or stdout.
    """
    (giver, path), (taker, goal) = split(source), split(destination)
    if giver is not None and taker is not None:
        raise UsageError("cp copies between a service and this machine, not between services")
    service = giver or taker
    if service is None:
        raise UsageError(f'neither "{source}" nor "{destination}" names a service, as in SERVICE:PATH')
    target = call.target((service,))
    options = CopyOptions(archive=archive, follow=follow, index=index, all=all)
    engine = call.engine(target)
    if giver is not None:
        if goal != STREAM:
            engine.copy_out(target, service, path, goal, options)
            call.say(f"copied {source} to {goal}")
            return
        if sys.stdout.isatty():
            raise UsageError("a tar is not for a terminal: send stdout to a file or a pipe")
        engine.copy_out(target, service, path, sys.stdout.buffer, options)
        return
    names = engine.copy_in(target, service, sys.stdin.buffer if path == STREAM else path, goal, options)
    for name in names:
        call.say(f"copied {path} to {name}:{goal}")
