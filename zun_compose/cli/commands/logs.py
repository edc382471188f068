"""logs: what containers wrote."""

from __future__ import annotations

import click

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.logprint import LogPrinter, following
from zun_compose.cli.params import instant, services, tail
from zun_compose.options import LogOptions


@click.command()
@services()
@click.option("-f", "--follow", is_flag=True, help="Go on until all containers have ended")
@click.option(
    "-n",
    "--tail",
    type=tail,
    metavar="LINES",
    default="all",
    help="Lines from the end of each container's log",
)
@click.option(
    "--since",
    type=instant,
    metavar="WHEN",
    help="Only lines since then: RFC 3339, or back from now as in 10m",
)
@click.option(
    "--until",
    type=instant,
    metavar="WHEN",
    help="Only lines before then: RFC 3339, or back from now as in 10m",
)
@click.option("-t", "--timestamps", is_flag=True, help="Print the engine's time of each line")
@click.option("--no-log-prefix", is_flag=True, help="Print lines without the container's name")
@click.option("--index", type=click.IntRange(1), help="Only the container of this number [default: all]")
@click.option("--no-color", is_flag=True, help="No colours")
@click.pass_obj
def logs(
    call: Invocation,
    /,
    services: tuple[str, ...],
    follow: bool,
    tail: int,
    since: float | None,
    until: float | None,
    timestamps: bool,
    no_log_prefix: bool,
    index: int | None,
    no_color: bool,
) -> None:
    """Print the logs of all services or of SERVICE, merged."""
    target = call.target(services)
    options = LogOptions(
        follow=follow,
        tail=None if tail < 0 else tail,
        since=since,
        until=until,
        timestamps=timestamps,
        index=index,
    )
    printer = LogPrinter(
        color=call.colored() and not no_color,
        prefix=not no_log_prefix,
        timestamps=timestamps,
        live=follow,
    )
    with following(call.engine(target).logs(target, services, options)) as lines:
        for container, line in lines:
            printer.line(container, line)
