"""exec and run: commands in a container that runs, or in a new one."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar

import click

from zun_compose.cli.invocation import Invocation, check_services
from zun_compose.cli.params import one_service, variable
from zun_compose.cli.proxy import SignalProxy
from zun_compose.cli.settings import ProgressMode
from zun_compose.cli.signals import Interrupts
from zun_compose.driver import Session
from zun_compose.errors import UsageError
from zun_compose.events import Event, Finished, Planned
from zun_compose.oneoff import oneoff_name
from zun_compose.options import PullPolicy, RunOptions

F = TypeVar("F", bound=Callable[..., Any])

# Options end at SERVICE: what follows is the command's, dashes and all.
_VERBATIM = {"allow_interspersed_args": False}


def _process(command: F) -> F:
    """Add the options that exec and run share."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option("-d", "--detach", is_flag=True, help="Leave it running and return"),
        click.option(
            "-e",
            "--env",
            "variables",
            type=variable,
            metavar="NAME[=VALUE]",
            multiple=True,
            help="Set a variable; without a value it is taken from here; may be repeated",
        ),
        click.option(
            "-u", "--user", metavar="USER", help="User or uid, and group [default: the container's]"
        ),
        click.option(
            "-w", "--workdir", metavar="FOLDER", help="Folder to start in [default: the container's]"
        ),
        click.option(
            "-T", "--no-tty", "--no-TTY", is_flag=True, help="No terminal [default: one if we have one]"
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("exec", context_settings=_VERBATIM)
@_process
@click.option("--privileged", is_flag=True, help="With all rights")
@click.option(
    "--index", type=click.IntRange(1), default=1, help="Number of the container, if there are several"
)
@one_service()
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND [ARG]...")
@click.pass_obj
def execute(
    call: Invocation,
    /,
    detach: bool,
    variables: tuple[tuple[str, str | None], ...],
    user: str | None,
    workdir: str | None,
    no_tty: bool,
    privileged: bool,
    index: int,
    service: str,
    command: tuple[str, ...],
) -> int:
    """Run COMMAND in a running container of SERVICE; exits with its code."""
    target = call.target((service,))
    session = Session(
        tty=not detach and not no_tty and _at_terminal(),
        stdin=not detach,
        environment=_given(variables, call.settings.environment),
        user=user,
        working_dir=workdir,
        privileged=privileged,
        detach=detach,
    )
    return call.engine(target).execute(target, service, command, session, index)


@click.command(context_settings=_VERBATIM)
@_process
@click.option("--rm", "remove", is_flag=True, help="Remove the container when it ends")
@click.option("--name", metavar="NAME", help="Name of the container [default: one is made up]")
@click.option("--entrypoint", metavar="COMMAND", help="Instead of the image's entrypoint")
@click.option(
    "-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Add a label; may be repeated"
)
@click.option(
    "-v", "--volume", "volumes", multiple=True, metavar="VOLUME", help="Add a mount; may be repeated"
)
@click.option("-p", "--publish", multiple=True, metavar="PORT", help="Publish a port; may be repeated")
@click.option("-P", "--service-ports", is_flag=True, help="Publish the service's ports too")
@click.option("--use-aliases", is_flag=True, help="With the service's aliases on its networks")
@click.option("-i/-I", "--interactive/--no-interactive", default=True, help="Join our stdin")
@click.option("--no-deps", is_flag=True, help="Do not start what the service depends on")
@click.option("--build", is_flag=True, help="Build the image first")
@click.option(
    "--pull",
    type=click.Choice([policy.value for policy in PullPolicy if policy is not PullPolicy.BUILD]),
    help="When to pull the image [default: as the file says, else missing]",
)
@one_service()
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND] [ARG]...")
@click.pass_obj
def run(
    call: Invocation,
    /,
    variables: tuple[tuple[str, str | None], ...],
    workdir: str | None,
    no_tty: bool,
    entrypoint: str | None,
    labels: tuple[str, ...],
    service: str,
    command: tuple[str, ...],
    pull: str | None,
    interactive: bool,
    **rest: Any,
) -> int:
    """Run a new container of SERVICE, with COMMAND if given; exits with its code.

    What the service depends on is started first and waited for. The service's ports are not published
    unless -P is given.
    """
    stack = call.stack((service,))
    check_services(stack, (service,))
    detach = bool(rest["detach"])
    if detach and rest["name"] is None:
        rest["name"] = oneoff_name(stack.name, service)
    options = RunOptions(
        command=command or None,
        entrypoint=None if entrypoint is None else tuple(shlex.split(entrypoint)),
        environment=dict(_resolved(variables, call.settings.environment)),
        labels=_labels(labels),
        working_dir=workdir,
        tty=not detach and not no_tty and _at_terminal(),
        interactive=interactive and not detach,
        pull=PullPolicy(pull) if pull else None,
        **rest,
    )
    engine = call.engine(stack, announce=True)
    with call.progress(live=False) as progress, closing(SignalProxy(engine, stack, service)) as proxy:
        steps = [lambda: proxy.forward("SIGINT"), lambda: proxy.forward("SIGKILL")]
        with Interrupts(steps, progress.farewell):
            sink = progress if call.settings.progress is ProgressMode.JSON else _quiet_if_idle(progress)
            code = engine.run(stack, service, options, sink=sink, cancel=proxy.cancel)
    if detach:
        click.echo(options.name)
    return code


def _quiet_if_idle(sink: Callable[[Event], None]) -> Callable[[Event], None]:
    """Leave out "nothing to do" and "done": where nothing was to be done, only the command is of interest."""
    idle = False

    def quieter(event: Event) -> None:
        nonlocal idle
        progress = event.progress
        if isinstance(progress, Planned) and progress.steps == 0:
            idle = True
            return
        if not (idle and isinstance(progress, Finished) and progress.outcome == "done"):
            sink(event)

    return quieter


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _resolved(
    variables: Sequence[tuple[str, str | None]], here: Mapping[str, str]
) -> Sequence[tuple[str, str | None]]:
    return [(name, here.get(name) if value is None else value) for name, value in variables]


def _given(variables: Sequence[tuple[str, str | None]], here: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in _resolved(variables, here) if value is not None}


def _labels(labels: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for label in labels:
        key, _, value = label.partition("=")
        if not key:
            raise UsageError(f'"{label}" is not KEY=VALUE')
        found[key] = value
    return found
