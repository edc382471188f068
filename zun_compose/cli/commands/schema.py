"""schema: what editors and other programs need to know of stack files."""

from __future__ import annotations

from importlib.resources import files

import click


@click.command()
@click.option(
    "--path", "place", is_flag=True, help="Print where the schema is installed, for an editor to read it"
)
def schema(place: bool) -> None:
    """Print the JSON Schema of stack files.

    An editor with the YAML language server uses it by a first line of the stack file such as:

    # yaml-language-server: $schema=zun-compose.schema.json
    """
    found = files("zun_compose") / "schemas" / "zun-compose.schema.json"
    click.echo(str(found) if place else found.read_text(encoding="utf-8"), nl=place)
