"""plan and graph: what would be done, and who waits for whom."""

from __future__ import annotations

from typing import Any

import click

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.params import output_format
from zun_compose.cli.planning import check_scale, converging, gate, print_plan, up_options


@click.command()
@converging
@output_format("text", "json")
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit 0 if there is nothing to do, 2 if there is, 1 on errors"
)
@click.pass_obj
def plan(call: Invocation, /, form: str, detailed_exitcode: bool, **arguments: Any) -> int:
    """Print the steps that up with the same options would take, each with its cause. Changes nothing."""
    from zun_compose.record import replace

    options = up_options(arguments, call.settings.environment)
    options = replace(options, adopt=options.adopt or call.settings.name is not None)
    stack = call.stack(options.services, gate=gate(arguments))
    check_scale(stack, options)
    return print_plan(call.engine(stack).plan(stack, options), form, detailed=detailed_exitcode)


@click.command()
@output_format("text", "mermaid", "dot", "json")
@click.pass_obj
def graph(call: Invocation, /, form: str) -> None:
    """Print which service waits for which, and for what. Needs no engine."""
    from zun_compose import graph as graphs

    stack = call.stack()
    graphs.check(stack)
    match form:
        case "mermaid":
            text = graphs.mermaid(stack)
        case "dot":
            text = graphs.dot(stack)
        case "json":
            text = graphs.as_json(stack)
        case _:
            text = graphs.text(stack)
    click.echo(text.rstrip("\n"))
