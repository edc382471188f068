"""start, stop, restart, kill, pause, unpause, rm: containers that exist already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zun_compose.cli.consent import agreed
from zun_compose.cli.invocation import Invocation
from zun_compose.cli.logprint import label
from zun_compose.cli.operating import operate
from zun_compose.cli.params import duration, services, stop_timeout
from zun_compose.container import State

if TYPE_CHECKING:
    from zun_compose.model import Stack

STOPPED = (State.CREATED, State.EXITED, State.DEAD)


@click.command()
@services()
@click.option("--wait", is_flag=True, help="Wait until services are ready and jobs have completed")
@click.option(
    "--wait-timeout",
    type=duration,
    metavar="SECONDS",
    help="Most time for the whole of it [default: each gate has its own deadline, 5 minutes]",
)
@click.pass_obj
def start(call: Invocation, /, services: tuple[str, ...], wait: bool, wait_timeout: float | None) -> None:
    """Start containers that exist, each one as soon as what it depends on is ready."""
    target = call.own_stack(services)
    engine = call.engine(target)
    operate(
        call,
        lambda sink, cancel: engine.start(
            target, services, wait=wait, wait_timeout=wait_timeout, sink=sink, cancel=cancel
        ),
    )


@click.command()
@services()
@stop_timeout()
@click.pass_obj
def stop(call: Invocation, /, services: tuple[str, ...], timeout: float | None) -> None:
    """Stop containers without removing them, dependents before what they depend on."""
    target = call.target(services)
    engine = call.engine(target)
    operate(
        call,
        lambda sink, cancel: engine.stop(target, services, timeout, sink=sink, cancel=cancel),
        notice="stopping no more containers (again: leave at once)",
    )


@click.command()
@services()
@stop_timeout()
@click.option(
    "--no-deps", is_flag=True, help="Leave services alone that depend on SERVICE with restart: true"
)
@click.pass_obj
def restart(call: Invocation, /, services: tuple[str, ...], timeout: float | None, no_deps: bool) -> None:
    """Restart containers, in readiness order."""
    target = call.own_stack(services)
    engine = call.engine(target)
    operate(
        call,
        lambda sink, cancel: engine.restart(target, services, timeout, no_deps, sink=sink, cancel=cancel),
    )


@click.command()
@services()
@click.option("-s", "--signal", default="SIGKILL", metavar="SIGNAL", help="Which signal, by name or number")
@click.pass_obj
def kill(call: Invocation, /, services: tuple[str, ...], signal: str) -> None:
    """Send a signal to containers that run."""
    target = call.target(services)
    engine = call.engine(target)
    # Not by operate: a kill is over in no time and shows nothing, and Ctrl-C leaves it where it is.
    engine.kill(target, services, signal)


@click.command()
@services()
@click.pass_obj
def pause(call: Invocation, /, services: tuple[str, ...]) -> None:
    """Freeze containers that run, as they are."""
    _switch(call, services, thaw=False)


@click.command()
@services()
@click.pass_obj
def unpause(call: Invocation, /, services: tuple[str, ...]) -> None:
    """Let paused containers go on."""
    _switch(call, services, thaw=True)


def _switch(call: Invocation, services: tuple[str, ...], *, thaw: bool) -> None:
    target = call.target(services)
    for one in call.engine(target).pause(target, services, thaw=thaw):
        call.say(f"{'unpaused' if thaw else 'paused'} {one.name}")


@click.command()
@services()
@click.option("-f", "--force", is_flag=True, help="Do not ask")
@click.option("-s", "--stop", "stop_first", is_flag=True, help="Stop containers first where they run")
@click.option("-v", "--volumes", is_flag=True, help="Their anonymous volumes too")
@click.pass_obj
def rm(call: Invocation, /, services: tuple[str, ...], force: bool, stop_first: bool, volumes: bool) -> None:
    """Remove stopped containers. Asks first, unless -f is given."""
    target = call.target(services)
    names = _removable(call, target, services, running=stop_first)
    if not names:
        call.say("no stopped containers")
        return
    if not force and not agreed(names):
        call.say("nothing was removed")
        return
    engine = call.engine(target)
    operate(
        call,
        lambda sink, cancel: engine.remove(
            target, services, stop=stop_first, volumes=volumes, sink=sink, cancel=cancel
        ),
        notice="removing no more containers (again: leave at once)",
    )


def _removable(
    call: Invocation, target: Stack | str, services: tuple[str, ...], *, running: bool
) -> list[str]:
    return [
        label(one)
        for one in call.engine(target).containers(target)
        if (not services or one.service in services) and not one.oneoff and (running or one.state in STOPPED)
    ]
