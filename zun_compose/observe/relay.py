"""Asks a port from inside the container, for engines whose containers cannot be reached from here.

Needs a shell and `nc` or bash in the image; where they are missing the answer says so and is no
verdict. Nothing of the request stands in the command line, which engines put into their events.
"""

from __future__ import annotations

import math

from zun_compose.container import Observed
from zun_compose.driver import Driver, ExecProbe
from zun_compose.errors import DriverError, DriverTimeout
from zun_compose.model import Probe
from zun_compose.observe import web
from zun_compose.observe.dial import Patience
from zun_compose.observe.wording import last_line, shown
from zun_compose.sighting import Answer

_NO_TOOL = 125
_TCP = """
if command -v bash >/dev/null 2>&1; then
  bash -c ': <>"/dev/tcp/$0/$1"' "$1" "$2" >/dev/null 2>&1 && exit 0
  exit 1
fi
command -v nc >/dev/null 2>&1 || exit 125
nc -z -w "$3" "$1" "$2" </dev/null >/dev/null 2>&1 && exit 0
nc -w "$3" "$1" "$2" -e true </dev/null >/dev/null 2>&1 && exit 0
exit 1
"""
_HTTP = """
if command -v bash >/dev/null 2>&1; then
  exec bash -c 'exec 3<>"/dev/tcp/$0/$1" || exit 1; printf %s "$ZUN_COMPOSE_REQUEST" >&3; cat <&3' "$1" "$2"
fi
command -v nc >/dev/null 2>&1 || exit 125
printf %s "$ZUN_COMPOSE_REQUEST" | nc -w "$3" "$1" "$2"
"""


def tcp(driver: Driver, observed: Observed, address: str, port: int, patience: Patience) -> Answer:
    """Find out from inside whether a port accepts. Raises TimeoutError or Stopped."""
    output = _run(driver, observed, _TCP, address, port, patience)
    if isinstance(output, Answer):
        return (
            output
            if not output.ran
            else Answer(ok=False, text="connection refused", exit_code=output.exit_code)
        )
    return Answer(ok=True, text=f"{port}/tcp accepts (asked from inside)")


def http(
    driver: Driver, observed: Observed, address: str, port: int, probe: Probe, patience: Patience
) -> Answer:
    """Send the probe's request from inside. Raises TimeoutError, Stopped or Malformed."""
    if probe.scheme != "http":
        return Answer(ok=False, ran=False, text=f"{probe.scheme} can not be asked from inside the container")
    message = web.request(probe, address).decode("utf-8")
    output = _run(driver, observed, _HTTP, address, port, patience, {"ZUN_COMPOSE_REQUEST": message})
    if isinstance(output, Answer):
        return output
    return web.judged(output.encode("utf-8"), probe)


def _run(
    driver: Driver,
    observed: Observed,
    script: str,
    address: str,
    port: int,
    patience: Patience,
    environment: dict[str, str] | None = None,
) -> str | Answer:
    """Return the output of a script that succeeded, else what to answer."""
    if not isinstance(driver, ExecProbe):
        text = "the container can not be reached from here, and the driver runs no commands in it"
        return Answer(ok=False, ran=False, text=text)
    left = patience.left()
    command = ("/bin/sh", "-c", script, "sh", address, str(port), str(max(1, math.floor(left))))
    try:
        result = driver.execute(observed.id, command, timeout=left, environment=environment)
    except DriverTimeout as error:
        raise TimeoutError from error
    except DriverError as error:
        return Answer(ok=False, ran=False, text=shown(str(error)))
    if result.exit_code == 0:
        return result.output
    if result.exit_code in (_NO_TOOL, 126, 127):
        text = "the container can not be reached from here, and its image has no shell with nc or bash"
        return Answer(ok=False, ran=False, text=text, exit_code=result.exit_code)
    words = last_line(result.output) or f"exit {result.exit_code}"
    return Answer(ok=False, text=words, exit_code=result.exit_code)
