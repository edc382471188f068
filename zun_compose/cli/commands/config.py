"""config: check the stack file, print what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zun_compose.cli.invocation import Invocation, check_services
from zun_compose.cli.params import services
from zun_compose.errors import UsageError

if TYPE_CHECKING:
    from zun_compose.parse import Loaded

_CHOICES = (
    "services",
    "images",
    "volumes",
    "networks",
    "models",
    "profiles",
    "variables",
    "environment",
    "hash",
    "lock_image_digests",
    "report",
)


@click.command()
@services()
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", help="How to print")
@click.option("-q", "--quiet", is_flag=True, help="Only check")
@click.option("--services", "only_services", is_flag=True, help="Print only the names of services")
@click.option("--images", "only_images", is_flag=True, help="Print only the images, one a service")
@click.option("--volumes", "only_volumes", is_flag=True, help="Print only the names of volumes")
@click.option("--networks", "only_networks", is_flag=True, help="Print only the names of networks")
@click.option("--models", "only_models", is_flag=True, help="Print only the names of models")
@click.option("--profiles", "only_profiles", is_flag=True, help="Print only the names of profiles")
@click.option(
    "--variables",
    "only_variables",
    is_flag=True,
    help="Print the variables that the files use, and defaults",
)
@click.option(
    "--environment", "only_environment", is_flag=True, help="Print the variables there are, with their values"
)
@click.option(
    "--hash",
    "only_hash",
    metavar="SERVICE",
    help='Print what containers of SERVICE carry as config-hash; "*" for all, or several between commas',
)
@click.option("--resolve-image-digests", is_flag=True, help="Name images by the digests registries have now")
@click.option(
    "--lock-image-digests",
    "only_lock_image_digests",
    is_flag=True,
    help="Print only a further stack file that names images by those digests",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to this file [default: stdout]")
@click.option(
    "--report",
    "only_report",
    is_flag=True,
    help="Say what the engine (--driver) does not do as the files ask; exits 1 if it refuses any of it",
)
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
    resolve_image_digests: bool,
    no_interpolate: bool,
    no_normalize: bool,
    no_path_resolution: bool,
    no_consistency: bool,
    **only: str | bool | None,
) -> None:
    """Check the stack file and print its canonical form. Needs no engine.

    Exits 2 if the file is wrong, with every fault on a line of its own.
    """
    chosen = _chosen(only, pin=resolve_image_digests)
    if chosen == ["variables"]:
        # What has no value yet is what is asked for, so the stack need not come to anything.
        _print(_variables(call, services, form), output)
        return
    loaded = call.load(
        services,
        interpolate=not no_interpolate,
        normalize=not no_normalize,
        resolve_paths=not no_path_resolution,
        consistency=not no_consistency,
        quiet=chosen == ["report"],
    )
    check_services(loaded.stack, services)
    if not no_consistency:
        from zun_compose import graph

        graph.check(loaded.stack)
    if chosen == ["report"]:
        from zun_compose.cli.commands.report import report

        text, refused = report(call, loaded, services, form)
    elif quiet:
        return
    else:
        text, refused = _text(loaded, services, form, chosen, only, pin=resolve_image_digests), False
    if not quiet:
        _print(text, output)
    if refused:
        raise click.exceptions.Exit(1)


def _chosen(only: Mapping[str, Any], *, pin: bool) -> list[str]:
    """Return what alone is asked for, if anything; raises UsageError for more than one thing."""
    chosen = [name for name in _CHOICES if only[f"only_{name}"]]
    asked = [*chosen, "resolve_image_digests"] if pin and chosen != ["lock_image_digests"] else chosen
    if chosen and len(asked) > 1:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in asked)
        raise UsageError(f"{flags} contradict each other")
    return chosen


def _text(
    loaded: Loaded,
    services: tuple[str, ...],
    form: str,
    chosen: list[str],
    only: Mapping[str, Any],
    *,
    pin: bool,
) -> str:
    match chosen:
        case ["lock_image_digests"]:
            from zun_compose.cli.commands.config_digests import override

            return _dumped(override(_model(loaded, services, form)), form)
        case [kind]:
            return _listed(kind, loaded, only)
        case _:
            model = _model(loaded, services, form)
            if pin:
                from zun_compose.cli.commands.config_digests import pinned

                model = pinned(model)
            return _dumped(model, form)


def _listed(kind: str, loaded: Loaded, only: Mapping[str, Any]) -> str:
    from zun_compose.cli.commands.config_lists import environment, hashes, names

    match kind:
        case "hash":
            return _lines(hashes(loaded.stack, str(only["only_hash"])))
        case "environment":
            return _lines(environment(loaded.variables))
        case _:
            return _lines(names(kind, loaded))


def _variables(call: Invocation, services: tuple[str, ...], form: str) -> str:
    from zun_compose.cli.commands.config_lists import variables
    from zun_compose.cli.loading import request
    from zun_compose.parse import used_variables
    from zun_compose.parse.disk import Disk

    return variables(used_variables(request(call.settings, services), Disk()), form)


def _model(loaded: Loaded, services: tuple[str, ...], form: str) -> Mapping[str, Any]:
    """Return the model to print, with only the named services if any are named."""
    # docker compose prints x-... attributes everywhere only as YAML.
    canonical = loaded.extended if form == "yaml" else loaded.canonical
    if not services:
        return canonical
    kept = {name: body for name, body in canonical["services"].items() if name in services}
    return {**canonical, "services": kept}


def _dumped(model: Mapping[str, Any], form: str) -> str:
    from zun_compose.parse import dump

    return dump(model, form)


def _lines(lines: Any) -> str:
    return "".join(f"{line}\n" for line in lines)


def _print(text: str, path: str | None) -> None:
    if path is None:
        click.echo(text, nl=not text.endswith("\n") and bool(text))
        return
    try:
        Path(path).write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f'cannot write "{path}": {(error.strerror or "input or output failed").lower()}'
        ) from error
