"""config: check the stack file, print what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zun_compose.cli.invocation import Invocation, check_services
from zun_compose.cli.params import services
from zun_compose.errors import UsageError

if TYPE_CHECKING:
    from zun_compose.model import Stack

_LISTS = ("services", "images", "volumes", "networks", "profiles")


@click.command()
@services()
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", help="How to print")
@click.option("-q", "--quiet", is_flag=True, help="Only check")
@click.option("--services", "list_services", is_flag=True, help="Print only the names of services")
@click.option("--images", "list_images", is_flag=True, help="Print only the images, one a service")
@click.option("--volumes", "list_volumes", is_flag=True, help="Print only the names of volumes")
@click.option("--networks", "list_networks", is_flag=True, help="Print only the names of networks")
@click.option("--profiles", "list_profiles", is_flag=True, help="Print only the names of profiles")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to this file [default: stdout]")
@click.option("--no-interpolate", is_flag=True, help="Leave variables as they are")
@click.option("--no-normalize", is_flag=True, help="Leave short forms and defaults as they are")
@click.option("--no-path-resolution", is_flag=True, help="Leave paths as they are")
@click.option("--no-consistency", is_flag=True, help="Do not check that names fit together")
@click.pass_obj
def config(
    call: Invocation,
    /,
    services: tuple[str, ...],
    form: str,
    quiet: bool,
    output: str | None,
    no_interpolate: bool,
    no_normalize: bool,
    no_path_resolution: bool,
    no_consistency: bool,
    **lists: bool,
) -> None:
    """Check the stack file and print its canonical form. Needs no engine.

    Exits 2 if the file is wrong, with every fault on a line of its own.
    """
    from zun_compose import graph
    from zun_compose.parse import dump

    loaded = call.load(
        services,
        interpolate=not no_interpolate,
        normalize=not no_normalize,
        resolve_paths=not no_path_resolution,
        consistency=not no_consistency,
    )
    check_services(loaded.stack, services)
    if not no_consistency:
        graph.check(loaded.stack)
    chosen = [name for name in _LISTS if lists[f"list_{name}"]]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(f'--{name}' for name in chosen)} contradict each other")
    if quiet:
        return
    if chosen:
        names = list(_names(chosen[0], loaded.stack))
        text = "".join(f"{name}\n" for name in names)
    else:
        # docker compose prints x-... attributes everywhere only as YAML.
        text = dump(_only(loaded.extended if form == "yaml" else loaded.canonical, services), form)
    if output is None:
        click.echo(text, nl=not text.endswith("\n") and bool(text))
    else:
        _write(output, text)


def _names(kind: str, stack: Stack) -> Iterable[str]:
    match kind:
        case "services":
            return stack.services
        case "images":
            return [service.image or f"{stack.name}-{name}" for name, service in stack.services.items()]
        case "volumes":
            return stack.volumes
        case "networks":
            return stack.networks
        case _:
            active = {name for service in stack.services.values() for name in service.profiles}
            return sorted(active.union(*stack.inactive.values()))


def _only(canonical: Mapping[str, Any], services: tuple[str, ...]) -> Mapping[str, Any]:
    """Leave only the named services in, if any are named."""
    if not services:
        return canonical
    kept = {name: body for name, body in canonical["services"].items() if name in services}
    return {**canonical, "services": kept}


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f'cannot write "{path}": {(error.strerror or "input or output failed").lower()}'
        ) from error
