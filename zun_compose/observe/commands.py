"""Commands run inside a container to learn about it: declared healthchecks and exec probes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from zun_compose.container import Observed
from zun_compose.driver import Driver, ExecProbe, LogSource
from zun_compose.errors import DriverError, DriverTimeout
from zun_compose.model import Healthcheck
from zun_compose.observe.wording import last_line, shown
from zun_compose.sighting import Answer

_SHELL = ("/bin/sh", "-c")
_LONGEST = 300
# What runc says when the command itself could not be started; the shell's own 127 is an answer of the test.
_NOT_STARTED = ("OCI runtime exec failed", "exec failed:", "Error: crun:", "crun:")


def run(driver: Driver, container: str, command: Sequence[str], timeout: float) -> Answer:
    """Run a command inside to the end: exit code 0 is ok. Raises nothing.

    It gets the container's own user, environment and working directory, as the daemon's checks do.
    """
    if not isinstance(driver, ExecProbe):
        return Answer(ok=False, ran=False, text=f"the {driver.name} driver runs no commands in containers")
    began = time.monotonic()
    try:
        result = driver.execute(container, command, timeout=timeout)
    except DriverTimeout:
        return Answer(ok=False, text=f"no answer within {timeout:g} s", seconds=time.monotonic() - began)
    except DriverError as error:
        return Answer(ok=False, ran=False, text=shown(str(error)), seconds=time.monotonic() - began)
    seconds = time.monotonic() - began
    words = last_line(result.output)
    if result.exit_code in (126, 127) and result.output.lstrip().startswith(_NOT_STARTED):
        return Answer(ok=False, ran=False, text=words, seconds=seconds, exit_code=result.exit_code)
    if result.exit_code == 0:
        return Answer(ok=True, text=words or "exit 0", seconds=seconds, exit_code=0)
    text = f"exit {result.exit_code}: {words}" if words else f"exit {result.exit_code}"
    return Answer(ok=False, text=shown(text), seconds=seconds, exit_code=result.exit_code)


def healthcheck(driver: Driver, observed: Observed, hc: Healthcheck, timeout: float) -> Answer:
    """Run the declared test once, as the daemon would, for at most `timeout` seconds. Raises nothing.

    `ran` is False if there is no test to run, or it could not be started in this container.
    """
    command = test_command(hc)
    if command is None:
        return Answer(ok=False, ran=False, text="no healthcheck is declared")
    return run(driver, observed.id, command, timeout)


def probe(driver: Driver, container: str, command: tuple[str, ...], timeout: float) -> Answer:
    """Run the command of an exec probe once, for at most `timeout` seconds. Raises nothing."""
    return run(driver, container, _words(command) or command, timeout)


def test_command(hc: Healthcheck) -> tuple[str, ...] | None:
    """Return what a declared test runs; None if there is none, or it is switched off."""
    return _words(hc.test or ())


def _words(test: tuple[str, ...]) -> tuple[str, ...] | None:
    match test:
        case ("CMD", *rest) if rest:
            return tuple(rest)
        case ("CMD-SHELL", *rest) if rest:
            return (*_SHELL, *rest)
    return None


def last_words(driver: Driver, container: str, lines: int = 10) -> tuple[str, ...]:
    """Return the last lines of a container's log, each at most 300 characters, () if there are none.

    Never raises: it serves messages about a failure, which must not be lost to a second one.
    """
    if not isinstance(driver, LogSource):
        return ()
    try:
        found = deque((shown(line.text, _LONGEST) for line in driver.logs(container, tail=lines)), lines)
    except Exception:  # noqa: BLE001 - whatever it is, the failure that is being told matters more
        return ()
    return tuple(found)
