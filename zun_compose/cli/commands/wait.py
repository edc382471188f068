"""wait: until services stop, or until they are as far as asked."""

from __future__ import annotations

import threading

import click

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.operating import operate
from zun_compose.cli.params import duration, services
from zun_compose.errors import OperationError, UsageError, ZunComposeError
from zun_compose.model import Condition

TARGETS = {
    "listening": Condition.LISTENING,
    "healthy": Condition.HEALTHY,
    "ready": Condition.READY,
    "completed": Condition.COMPLETED,
}


@click.command()
@services()
@click.option(
    "--for",
    "target",
    type=click.Choice(list(TARGETS)),
    help="Wait until services are this far [default: until they stop]",
)
@click.option(
    "--timeout",
    type=duration,
    metavar="SECONDS",
    help="Most time to wait [default: no limit; with --for each service has its own deadline, 5 minutes]",
)
@click.pass_obj
def wait(call: Invocation, /, services: tuple[str, ...], target: str | None, timeout: float | None) -> int:
    """Wait until the containers of SERVICE stop; exits with the first code that is not 0.

    With --for it waits for readiness instead and exits 0, or 1 once that cannot come or comes too late;
    without SERVICE then for all.
    """
    if target is None:
        return _stopped(call, services, timeout)
    stack = call.stack(services)
    engine = call.engine(stack)
    condition = TARGETS[target]
    operate(
        call,
        lambda sink, cancel: engine.wait_for(stack, services, condition, timeout, sink=sink, cancel=cancel),
        notice="waiting no longer",
    )
    return 0


def _stopped(call: Invocation, /, services: tuple[str, ...], timeout: float | None) -> int:
    if not services:
        raise UsageError("name the services whose stop is waited for, or say --for what")
    target = call.target(services)
    engine = call.engine(target)
    codes: dict[str, int] = {}
    failures: list[ZunComposeError] = []

    def work() -> None:
        try:
            codes.update(engine.wait_stopped(target, services))
        except ZunComposeError as error:
            failures.append(error)

    # The engine's wait cannot be woken: it sits in a thread that ends with the program.
    waiter = threading.Thread(target=work, name="wait", daemon=True)
    waiter.start()
    waiter.join(timeout)
    if waiter.is_alive():
        raise OperationError(f"not all of {', '.join(services)} stopped within {timeout:g} s")
    if failures:
        raise failures[0]
    for service, code in codes.items():
        click.echo(f"{service} exited with code {code}")
    return next((code for code in codes.values() if code), 0)
