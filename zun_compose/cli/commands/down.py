"""down: stop and remove a stack, dependents first."""

from __future__ import annotations

import click

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.operating import operate
from zun_compose.cli.params import services, stop_timeout
from zun_compose.cli.planning import print_plan
from zun_compose.cli.settings import truth
from zun_compose.errors import UsageError
from zun_compose.options import DownOptions, RemoveImages


@click.command()
@services()
@click.option("-v", "--volumes", is_flag=True, help="Named volumes of the file and anonymous ones too")
@click.option(
    "--rmi",
    type=click.Choice([choice.value for choice in RemoveImages]),
    help="Images too: local for those without a name of their own, or all [default: none]",
)
@click.option(
    "--remove-orphans",
    is_flag=True,
    help="Containers of services that the file lacks too [default: COMPOSE_REMOVE_ORPHANS, else keep]",
)
@stop_timeout()
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing")
@click.pass_obj
def down(
    call: Invocation,
    /,
    services: tuple[str, ...],
    volumes: bool,
    rmi: str | None,
    remove_orphans: bool,
    timeout: float | None,
    dry_run: bool,
) -> int:
    """Stop and remove containers and networks, dependents before what they depend on.

    With SERVICE only those. External networks and volumes are never removed. It works without the stack
    file if the stack is named with -n.
    """
    target = call.target(services)
    options = DownOptions(
        services=services,
        volumes=volumes,
        images=RemoveImages(rmi) if rmi else None,
        timeout=timeout,
        remove_orphans=remove_orphans or truth(call.settings.environment, "COMPOSE_REMOVE_ORPHANS"),
    )
    engine = call.engine(target)
    if dry_run:
        return print_plan(engine.plan_down(target, options), "text", detailed=False)
    if rmi == RemoveImages.ALL and isinstance(target, str):
        raise UsageError("--rmi needs the stack file: without it nobody knows the images")
    operate(
        call,
        lambda sink, cancel: engine.down(target, options, sink=sink, cancel=cancel),
        notice="stopping: nothing more is removed (again: leave at once)",
    )
    return 0
