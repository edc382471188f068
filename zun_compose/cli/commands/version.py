"""version and completion: about the program itself."""

from __future__ import annotations

import json

import click

from zun_compose import __version__
from zun_compose.cli.errors import PROGRAM


@click.command()
@click.option("--short", is_flag=True, help="Print only the number")
@click.option(
    "--format",
    "form",
    type=click.Choice(["pretty", "json"]),
    default="pretty",
    help="How to print",
    show_default=True,
)
def version(short: bool, form: str) -> None:
    """Print the version."""
    if short:
        click.echo(__version__)
    elif form == "json":
        click.echo(json.dumps({"version": __version__}))
    else:
        click.echo(f"{PROGRAM} version {__version__}")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and service names in SHELL.

    For bash, put this into ~/.bashrc: eval "$(zun-compose completion bash)"
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    variable = f"_{PROGRAM}_COMPLETE".replace("-", "_").upper()
    click.echo(kind(ctx.find_root().command, {}, PROGRAM, variable).source())
