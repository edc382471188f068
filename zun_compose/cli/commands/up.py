"""up: bring a stack up in readiness order, then stay with it or not."""

from __future__ import annotations

from typing import Any

import click

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.operating import operate
from zun_compose.cli.planning import check_scale, converging, gate, print_plan, up_options
from zun_compose.errors import UsageError
from zun_compose.options import OnFailure


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
    **arguments: Any,
) -> int:
    """Create and start services, each one as soon as what it depends on is ready.

    With SERVICE only those and what they depend on. Containers whose configuration changed are
    replaced; a second up changes nothing. Without -d it stays, prints logs, and Ctrl-C stops the stack.
    """
    import dataclasses

    if detailed_exitcode and not dry_run:
        raise UsageError("--detailed-exitcode needs --dry-run")
    options = up_options(arguments, call.settings.environment)
    # A name on the command line says which stack is meant, wherever it was brought up from.
    options = dataclasses.replace(
        options, on_failure=OnFailure(on_failure), adopt=options.adopt or call.settings.name is not None
    )
    stack = call.stack(options.services, gate=gate(arguments))
    check_scale(stack, options)
    engine = call.engine(stack, announce=not dry_run)
    if dry_run:
        return print_plan(engine.plan(stack, options), "text", detailed=detailed_exitcode)
    if detach or options.wait or not options.start:
        operate(call, lambda sink, cancel: engine.up(stack, options, sink=sink, cancel=cancel))
        return 0
    from zun_compose.cli.attached import stay

    return stay(call, engine, stack, options, prefix=not no_log_prefix, timestamps=timestamps)
