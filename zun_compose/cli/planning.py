"""The options that up and plan share, and how a plan is printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zun_compose.cli.params import duration, scale, services, stop_timeout
from zun_compose.cli.settings import truth
from zun_compose.errors import UsageError
from zun_compose.model import Condition
from zun_compose.options import PullPolicy, UpOptions

if TYPE_CHECKING:
    from zun_compose.model import Stack
    from zun_compose.plan.steps import Plan

F = TypeVar("F", bound=Callable[..., Any])

CHANGES = 2
NOT_STARTING: Mapping[str, Any] = {
    "adopt": False,
    "always_recreate_deps": False,
    "gate": None,
    "no_deps": False,
    "no_start": True,
    "renew_anon_volumes": False,
    "timeout": None,
    "wait": False,
    "wait_timeout": None,
}
GATES = {
    "started": Condition.STARTED,
    "listening": Condition.LISTENING,
    "healthy": Condition.HEALTHY,
    "ready": Condition.READY,
}


def converging(command: F) -> F:
    """Add the arguments that decide what up does to a stack."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def creating(command: F) -> F:
    """Add those of them that decide what is created, to be completed by NOT_STARTING."""
    for option in reversed(_CREATING):
        command = option(command)
    return command


_CREATING: tuple[Callable[[Any], Any], ...] = (
    services(),
    click.option(
        "--scale",
        type=scale,
        metavar="SERVICE=N",
        multiple=True,
        help="Number of containers of a service, over what the file says; may be repeated",
    ),
    click.option(
        "--pull",
        type=click.Choice([policy.value for policy in PullPolicy if policy is not PullPolicy.BUILD]),
        help="When to pull images [default: as the file says, else missing]",
    ),
    click.option("--build", is_flag=True, help="Build images even if they are there"),
    click.option("--no-build", is_flag=True, help="Never build; a missing image is an error"),
    click.option("--force-recreate", is_flag=True, help="Replace containers even if nothing has changed"),
    click.option("--no-recreate", is_flag=True, help="Keep containers even if something has changed"),
    click.option(
        "--remove-orphans",
        is_flag=True,
        help="Remove containers of services that the file lacks [default: COMPOSE_REMOVE_ORPHANS, else keep]",
    ),
)

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    *_CREATING,
    click.option(
        "--always-recreate-deps", is_flag=True, help="With SERVICE: what it depends on is replaced too"
    ),
    click.option("--no-deps", is_flag=True, help="With SERVICE: leave what it depends on alone"),
    click.option(
        "-V", "--renew-anon-volumes", is_flag=True, help="New anonymous volumes for replaced containers"
    ),
    click.option(
        "--gate",
        type=click.Choice(list(GATES)),
        help="What the short form of depends_on waits for [default: as the file's x-zun says, else started]",
    ),
    stop_timeout(),
    click.option("--no-start", is_flag=True, help="Create everything, start nothing"),
    click.option("--adopt", is_flag=True, help="Take over a stack of this name from another folder"),
    click.option(
        "--wait", is_flag=True, help="Wait until services are ready and jobs have completed; implies -d"
    ),
    click.option(
        "--wait-timeout",
        type=duration,
        metavar="SECONDS",
        help="Most time for the whole of it [default: each gate has its own deadline, 5 minutes]",
    ),
)


def up_options(arguments: Mapping[str, Any], environment: Mapping[str, str]) -> UpOptions:
    """Return the options that the arguments of `converging` make; raises UsageError if they contradict."""
    given = dict(arguments)
    for one, other in (
        ("force_recreate", "no_recreate"),
        ("always_recreate_deps", "no_recreate"),
        ("build", "no_build"),
        ("no_start", "wait"),
    ):
        if given[one] and given[other]:
            raise UsageError(f"{_flag(one)} and {_flag(other)} contradict each other")
    pull = given["pull"]
    return UpOptions(
        services=given["services"],
        wait=given["wait"],
        wait_timeout=given["wait_timeout"],
        scale=dict(given["scale"]),
        pull=PullPolicy(pull) if pull else None,
        build=given["build"],
        no_build=given["no_build"],
        force_recreate=given["force_recreate"],
        no_recreate=given["no_recreate"],
        always_recreate_deps=given["always_recreate_deps"],
        no_deps=given["no_deps"],
        remove_orphans=given["remove_orphans"] or truth(environment, "COMPOSE_REMOVE_ORPHANS"),
        renew_anonymous_volumes=given["renew_anon_volumes"],
        timeout=given["timeout"],
        adopt=given["adopt"],
        start=not given["no_start"],
    )


def gate(arguments: Mapping[str, Any]) -> Condition | None:
    """Return what --gate says."""
    word = arguments["gate"]
    return GATES[word] if word else None


def check_scale(stack: Stack, options: UpOptions) -> None:
    """Raise UsageError for scaled services that the stack does not have."""
    from zun_compose.cli.invocation import check_services

    check_services(stack, options.scale)


def print_plan(plan: Plan, form: str, *, detailed: bool) -> int:
    """Print a plan on stdout; return the exit code that `detailed` asks for."""
    if form == "json":
        click.echo(json.dumps(plan.as_dict(), ensure_ascii=False))
    else:
        click.echo(str(plan) if plan.steps else "nothing to do")
        for warning in plan.warnings:
            click.echo(f"zun-compose: warning: {warning}", err=True)
    return CHANGES if detailed and not plan.empty else 0


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
