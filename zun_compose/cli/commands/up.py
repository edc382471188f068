"""up, create, scale: bring a stack up in readiness order, then stay with it or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from zun_compose.cli.invocation import Invocation, check_services
from zun_compose.cli.operating import operate
from zun_compose.cli.params import complete_services
from zun_compose.cli.params import scale as scale_of
from zun_compose.cli.planning import (
    NOT_STARTING,
    check_scale,
    converging,
    creating,
    gate,
    print_plan,
    up_options,
)
from zun_compose.errors import UsageError
from zun_compose.options import OnFailure, UpOptions

if TYPE_CHECKING:
    from zun_compose.cli.attached import Showing
    from zun_compose.cli.ending import Ending
    from zun_compose.model import Stack


@click.command()
@click.option(
    "-d", "--detach", is_flag=True, help="Return once all is started [default: stay and print logs]"
)
@converging
@click.option(
    "--on-failure",
    type=click.Choice([policy.value for policy in OnFailure]),
    default=OnFailure.KEEP.value,
    help="What a failed up does with what it has started",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing")
@click.option(
    "--detailed-exitcode", is_flag=True, help="With --dry-run: 0 nothing to do, 2 changes, 1 any error"
)
@click.option("--no-log-prefix", is_flag=True, help="Attached: print log lines without the container's name")
@click.option("--timestamps", is_flag=True, help="Attached: print the time of each log line")
@click.option("--no-color", is_flag=True, help="Attached: no colours in logs")
@click.option(
    "--attach",
    multiple=True,
    metavar="SERVICE",
    shell_complete=complete_services,
    help="Attached: print the logs of this service only; may be repeated",
)
@click.option(
    "--no-attach",
    multiple=True,
    metavar="SERVICE",
    shell_complete=complete_services,
    help="Attached: do not print the logs of this service; may be repeated",
)
@click.option(
    "--attach-dependencies", is_flag=True, help="Attached, with SERVICE: also the logs of what it depends on"
)
@click.option(
    "--abort-on-container-exit",
    "on_exit",
    is_flag=True,
    help="Attached: stop the stack once any container has ended, and exit with its code",
)
@click.option(
    "--abort-on-container-failure",
    "on_failure_exit",
    is_flag=True,
    help="Attached: stop the stack once any container has ended with a code that is not 0, and exit with it",
)
@click.option(
    "--exit-code-from",
    "code_from",
    metavar="SERVICE",
    shell_complete=complete_services,
    help="Attached: exit with the code of this service; implies --abort-on-container-exit",
)
@click.pass_obj
def up(
    call: Invocation,
    /,
    detach: bool,
    on_failure: str,
    dry_run: bool,
    detailed_exitcode: bool,
    no_log_prefix: bool,
    timestamps: bool,
    no_color: bool,
    attach: tuple[str, ...],
    no_attach: tuple[str, ...],
    attach_dependencies: bool,
    on_exit: bool,
    on_failure_exit: bool,
    code_from: str | None,
    **arguments: Any,
) -> int:
    """Create and start services, each one as soon as what it depends on is ready.

    With SERVICE only those and what they depend on. Containers whose configuration changed are
    replaced; a second up changes nothing. Without -d it stays, prints logs, and Ctrl-C stops the stack.
    """
    from zun_compose.record import replace

    if detailed_exitcode and not dry_run:
        raise UsageError("--detailed-exitcode needs --dry-run")
    ending = _ending(on_exit=on_exit, on_failure=on_failure_exit, code_from=code_from)
    options = up_options(arguments, call.settings.environment)
    # A name on the command line says which stack is meant, wherever it was brought up from.
    options = replace(
        options, on_failure=OnFailure(on_failure), adopt=options.adopt or call.settings.name is not None
    )
    stack = call.stack(options.services, gate=gate(arguments))
    check_scale(stack, options)
    alone = detach or options.wait or not options.start
    if alone and (ending.asked or attach or attach_dependencies):
        raise UsageError("-d, --wait and --no-start print no logs: --attach, --abort-... need up to stay")
    check_services(stack, [*attach, *no_attach, *([code_from] if code_from else [])])
    engine = call.engine(stack, announce=not dry_run)
    if dry_run:
        return print_plan(engine.plan(stack, options), "text", detailed=detailed_exitcode)
    if alone:
        operate(call, lambda sink, cancel: engine.up(stack, options, sink=sink, cancel=cancel))
        return 0
    from zun_compose.cli.attached import stay

    chosen = _chosen(stack, options.services, attach, no_attach, dependencies=attach_dependencies)
    showing = replace(chosen, prefix=not no_log_prefix, timestamps=timestamps, color=not no_color)
    return stay(call, engine, stack, options, showing, ending)


@click.command()
@creating
@click.pass_obj
def create(call: Invocation, /, **arguments: Any) -> None:
    """Create containers, networks and volumes, and start nothing: the same as up --no-start."""
    _operate(call, up_options({**NOT_STARTING, **arguments}, call.settings.environment))


@click.command()
@click.argument("counts", metavar="SERVICE=N...", nargs=-1, required=True, type=scale_of)
@click.option("--no-deps", is_flag=True, help="Leave what the services depend on alone")
@click.pass_obj
def scale(call: Invocation, /, counts: tuple[tuple[str, int], ...], no_deps: bool) -> None:
    """Bring services to these numbers of containers: the same as up -d --scale SERVICE=N SERVICE."""
    _operate(call, UpOptions(services=tuple(dict(counts)), scale=dict(counts), no_deps=no_deps))


def _operate(call: Invocation, options: UpOptions) -> None:
    from zun_compose.record import replace

    options = replace(options, adopt=call.settings.name is not None)
    stack = call.stack(options.services)
    check_scale(stack, options)
    engine = call.engine(stack, announce=True)
    operate(call, lambda sink, cancel: engine.up(stack, options, sink=sink, cancel=cancel))


def _ending(*, on_exit: bool, on_failure: bool, code_from: str | None) -> Ending:
    from zun_compose.cli.ending import Ending

    if on_exit and on_failure:
        raise UsageError("--abort-on-container-exit and --abort-on-container-failure contradict each other")
    implied = code_from is not None and not on_failure
    return Ending(on_exit=on_exit or implied, on_failure=on_failure, code_from=code_from)


def _chosen(
    stack: Stack,
    services: Sequence[str],
    attach: Sequence[str],
    no_attach: Sequence[str],
    *,
    dependencies: bool,
) -> Showing:
    """Choose whose logs are shown; `attach: false` in the file holds where the service is not asked for."""
    from zun_compose import graph
    from zun_compose.cli.attached import Showing

    watched = graph.closure(stack, services) if dependencies and services else services or stack.services
    shown = set(attach or (name for name in watched if stack.services[name].attach)) - set(no_attach)
    everyone = tuple(name for name in stack.services if name in watched or name in attach)
    return Showing(services=everyone, silent=frozenset(everyone) - shown)
