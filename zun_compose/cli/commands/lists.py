"""ls, images, volumes, port, top: what there is, in docker compose's forms."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.params import one_service, row_format, services
from zun_compose.cli.table import table
from zun_compose.container import Observed, State
from zun_compose.driver import Volumes
from zun_compose.errors import NotFound, Unsupported, UsageError
from zun_compose.labels import CONFIG_FILES

_RUNS = (State.RUNNING, State.PAUSED, State.RESTARTING)
_OF_STACK = {"Name": "NAME", "Status": "STATUS", "ConfigFiles": "CONFIG FILES"}
_OF_IMAGE = {"ContainerName": "CONTAINER", "Repository": "REPOSITORY", "Tag": "TAG", "ID": "IMAGE ID"}
_OF_VOLUME = {"Driver": "DRIVER", "Name": "VOLUME NAME", "Labels": "LABELS"}
_SHORT_ID = 12


@click.command()
@click.option("-a", "--all", "everything", is_flag=True, help="Stacks too of which nothing runs")
@click.option("-q", "--quiet", is_flag=True, help="Print only names")
@click.option("--filter", "filters", multiple=True, metavar="name=REGEX", help="Only stacks with such names")
@row_format()
@click.pass_obj
def ls(call: Invocation, /, everything: bool, quiet: bool, filters: tuple[str, ...], form: str) -> None:
    """List the stacks on the engine, ours and docker compose's, and the states of their containers."""
    from zun_compose.cli.template import check_form

    check_form(form, _OF_STACK)
    patterns = [_pattern(given) for given in filters]
    rows = []
    for name, containers in call.any_engine().stacks().items():
        shown = containers if everything else [one for one in containers if one.state in _RUNS]
        if shown and all(pattern.search(name) for pattern in patterns):
            rows.append({"Name": name, "Status": _states(shown), "ConfigFiles": _files(containers)})
    _print(rows, _OF_STACK, form, quiet="Name" if quiet else None, array=True)


@click.command()
@services()
@click.option("-q", "--quiet", is_flag=True, help="Print only image ids")
@row_format()
@click.pass_obj
def images(call: Invocation, /, services: tuple[str, ...], quiet: bool, form: str) -> None:
    """List the images that the containers were made from."""
    from zun_compose.cli.template import check_form

    check_form(form, _OF_IMAGE)
    target = call.target(services)
    rows = []
    for one in call.engine(target).containers(target):
        if not services or one.service in services:
            repository, tag = _split(one.image)
            identity = one.image_id.removeprefix("sha256:")
            shown = one.image_id if form == "json" else identity[:_SHORT_ID]
            rows.append({"ContainerName": one.name, "Repository": repository, "Tag": tag, "ID": shown})
    if quiet:
        rows = list({row["ID"]: row for row in rows}.values())
    _print(rows, _OF_IMAGE, form, quiet="ID" if quiet else None, array=True)


@click.command()
@click.option("-q", "--quiet", is_flag=True, help="Print only names")
@row_format()
@click.pass_obj
def volumes(call: Invocation, /, quiet: bool, form: str) -> None:
    """List the stack's volumes on the engine."""
    from zun_compose.cli.template import check_form

    check_form(form, _OF_VOLUME)
    target = call.target()
    driver = call.engine(target).driver
    if not isinstance(driver, Volumes):
        raise Unsupported(f"the {driver.name} driver has no volumes")
    rows = [
        {
            "Driver": one.driver,
            "Name": one.name,
            "Labels": ",".join(f"{key}={value}" for key, value in one.labels.items()),
        }
        for one in driver.volumes(target if isinstance(target, str) else target.name)
    ]
    _print(rows, _OF_VOLUME, form, quiet="Name" if quiet else None, columns=("Driver", "Name"))


@click.command()
@one_service()
@click.argument("private_port", metavar="PORT")
@click.option(
    "--protocol", type=click.Choice(["tcp", "udp", "sctp"]), default="tcp", help="Of which protocol"
)
@click.option("--index", type=int, default=None, metavar="N", help="Of which container [default: the first]")
@click.pass_obj
def port(call: Invocation, /, service: str, private_port: str, protocol: str, index: int | None) -> None:
    """Print the address on the host that PORT of a container is published at."""
    number, slash, given = private_port.partition("/")
    if not re.fullmatch(r"\d{1,5}", number) or (slash and given not in ("tcp", "udp", "sctp")):
        raise UsageError(f'"{private_port}" is no port: it takes the form 80 or 53/udp')
    wanted = (int(number), given or protocol)
    target = call.target((service,))
    running = [
        one
        for one in call.engine(target).containers(target)
        if one.service == service and not one.oneoff and one.state in _RUNS and index in (None, one.number)
    ]
    if not running:
        raise NotFound(f'service "{service}" has no running container{f" {index}" if index else ""}')
    for published in sorted(running[0].ports, key=lambda one: ":" in one.host_ip):
        if (published.target, published.protocol) == wanted:
            host = f"[{published.host_ip}]" if ":" in published.host_ip else published.host_ip
            click.echo(f"{host}:{published.host_port}")
            return
    raise NotFound(f'container "{running[0].name}" does not publish port {wanted[0]}/{wanted[1]}')


@click.command()
@services()
@click.pass_obj
def top(call: Invocation, /, services: tuple[str, ...]) -> None:
    """List the processes that run in containers."""
    from zun_compose.cli.progress.words import clean

    target = call.target(services)
    found = call.engine(target).processes(target, services)
    titles = list(dict.fromkeys(title for _, seen in found for title in seen.titles))
    rows = []
    for one, seen in found:
        for row in seen.rows:
            cells = dict(zip(seen.titles, row, strict=False))
            # a process names itself as it likes
            said = (clean(cells.get(title, "-")).replace("\t", " ") for title in titles)
            rows.append((one.service, str(one.number), *said))
    click.echo(table(("SERVICE", "#", *titles), rows))


def _print(
    rows: Sequence[dict[str, Any]],
    headers: dict[str, str],
    form: str,
    *,
    quiet: str | None = None,
    columns: Sequence[str] | None = None,
    array: bool = False,
) -> None:
    """Print rows in a form; with `quiet` only that field. As JSON one object a line, or one `array`."""
    from zun_compose.cli.template import Row, formatted

    if quiet is not None:
        text = "\n".join(row[quiet] for row in rows)
    elif form == "table":
        shown = columns or tuple(headers)
        text = table([headers[key] for key in shown], [[row[key] for key in shown] for row in rows])
    elif form == "json" and array:
        text = json.dumps(rows, ensure_ascii=False)
    else:
        text = formatted(form, [Row(fields=row) for row in rows], headers) or ""
    if text:
        click.echo(text)


def _pattern(given: str) -> re.Pattern[str]:
    key, _, value = given.partition("=")
    if key != "name":
        raise UsageError(f'unknown filter "{key}": only name=REGEX is known')
    try:
        return re.compile(value)
    except re.error as error:
        raise UsageError(f'"{value}" is no regular expression: {error}') from None


def _states(containers: Sequence[Observed]) -> str:
    counted = Counter(one.state.value for one in containers)
    return ", ".join(f"{state}({counted[state]})" for state in sorted(counted))


def _files(containers: Sequence[Observed]) -> str:
    found = (file for one in containers for file in one.labels.get(CONFIG_FILES, "").split(",") if file)
    return ",".join(dict.fromkeys(found)) or "N/A"


def _split(image: str) -> tuple[str, str]:
    name, at, _ = image.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, "<none>" if at or name.startswith("sha256") else "latest"
    return head, tag
