"""events: what happens to a stack's containers, in docker compose's two forms."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import click

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.params import instant, services
from zun_compose.container import Hint

_OWN = ("com.docker.compose.", "zun-compose.")


@click.command()
@services()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line")
@click.option(
    "--since",
    type=instant,
    metavar="WHEN",
    help="From then on: RFC 3339, or back from now as in 10m [default: now]",
)
@click.option(
    "--until", type=instant, metavar="WHEN", help="Up to then, then end [default: go on until interrupted]"
)
@click.pass_obj
def events(
    call: Invocation, services: tuple[str, ...], as_json: bool, since: float | None, until: float | None
) -> None:
    """Print events of the containers of all services or of SERVICE, as they happen."""
    target = call.target(services)
    ended = threading.Event()
    failures: list[BaseException] = []

    def sink(hint: Hint) -> None:
        if hint.action == "end":
            ended.set()
            return
        if services and hint.service not in services:
            return
        try:
            click.echo(json.dumps(_json(hint), ensure_ascii=False) if as_json else _text(hint))
        except OSError as error:
            # We are in the reader's thread: the command's own must end and say so.
            failures.append(error)
            ended.set()

    subscription = call.engine(target).events(target, sink, since=since, until=until)
    try:
        ended.wait()
    finally:
        subscription.close()
    if failures:
        raise failures[0]


def _attributes(hint: Hint) -> dict[str, str]:
    own = {key: value for key, value in hint.attributes.items() if not key.startswith(_OWN)}
    named = {"image": hint.image, "name": hint.name}
    code = {} if hint.exit_code is None else {"exitCode": str(hint.exit_code)}
    return dict(sorted({**{key: value for key, value in named.items() if value}, **code, **own}.items()))


def _action(hint: Hint) -> str:
    return f"{hint.action}: {hint.health.value}" if hint.health is not None else hint.action


def _moment(hint: Hint) -> datetime:
    return datetime.fromtimestamp(hint.at, UTC)


def _json(hint: Hint) -> dict[str, Any]:
    return {
        "action": _action(hint),
        "attributes": _attributes(hint),
        "id": hint.container,
        "service": hint.service,
        "time": _moment(hint).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "container",
    }


def _text(hint: Hint) -> str:
    details = ", ".join(f"{key}={value}" for key, value in _attributes(hint).items())
    when = _moment(hint).strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"{when} container {_action(hint)} {hint.container} ({details})"
