"""Which driver and engine a stack is worked on: what the user names, else where it was, else who answers.

A composition root: the only place besides the registry that knows drivers by name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from zun_compose.driver import Driver, EngineInfo
from zun_compose.drivers.registry import loader
from zun_compose.errors import DriverTimeout, StateError, Unavailable, Unsupported, UsageError
from zun_compose.record import Record
from zun_compose.state import Remembered, StateStore

AUTO = "auto"
DOCKER = "docker"
LOCAL = "local"
# Where the environment says which engine a driver means.
_ADDRESSES: Mapping[str, str] = {DOCKER: "DOCKER_HOST", "zun": "OS_CLOUD"}
# What these drivers make does not outlive the process, so there is nothing to remember or to lock.
_FLEETING = frozenset({"memory"})


class Choice(Record, kw_only=True):
    """An engine that answered. `said` is what the user should be told about how it was chosen, or "".

    `surprising` is True if `said` matters even where nothing is changed.
    `address` None means where the driver's own settings point to. `lasting` is False for engines that
    end with this process. The caller closes `driver`.
    """

    driver: Driver
    name: str
    info: EngineInfo
    address: str | None
    lasting: bool
    said: str = ""
    surprising: bool = False


def choose(
    name: str = AUTO,
    host: str | None = None,
    *,
    stack: str | None = None,
    state: StateStore | None = None,
    environment: Mapping[str, str] | None = None,
    isolation: bool = True,
) -> Choice:
    """Return the engine to use for `stack`. Without `isolation` that is the local driver, if none is named.

    A named driver or address is taken as it is. Otherwise it is the engine that the stack was last
    brought up on, wherever that answers now; for a new stack Docker if it answers, else Podman, else the
    local driver, which needs no engine.
    Raises Unavailable if that engine does not answer, UsageError if there is no such driver or its
    packages are not installed, StateError if what is remembered cannot be read.
    """
    environment = os.environ if environment is None else environment
    if name == AUTO and not isolation and host is None:
        name = LOCAL
    if name != AUTO or host is not None:
        return _reach(DOCKER if name == AUTO else name, host, environment, isolation=isolation)
    known = _recalled(state, stack) if state is not None and stack is not None else None
    return _known(known, environment) if known is not None else _new(stack, environment)


def _recalled(state: StateStore, stack: str) -> Remembered | None:
    """Return where the stack was last brought up; nothing if our folder cannot be used at all."""
    try:
        return state.recall(stack)
    except StateError as error:
        if error.code == "state.unusable":
            return None
        raise


def _reach(
    name: str, address: str | None, environment: Mapping[str, str], *, isolation: bool = True
) -> Choice:
    """Connect and ask who answers."""
    connect: Callable[..., Driver] = loader(name)
    if name == LOCAL and not isolation:
        connect = partial(connect, isolated=False)
    try:
        driver = connect(address)
    except Unsupported as error:
        # The package behind the driver is missing: nothing an engine could help.
        raise UsageError(str(error)) from error
    try:
        info = driver.engine()
    except BaseException:
        driver.close()
        raise
    effective = address or environment.get(_ADDRESSES.get(name, ""), "") or None
    return Choice(driver=driver, name=name, info=info, address=effective, lasting=name not in _FLEETING)


def _known(known: Remembered, environment: Mapping[str, str]) -> Choice:
    named = bool(environment.get("DOCKER_HOST") or environment.get("DOCKER_CONTEXT"))
    addresses = [None, known.address] if named else [known.address, None]
    for address in dict.fromkeys(addresses):
        try:
            choice = _reach(known.driver, address, environment)
        except (Unavailable, DriverTimeout):
            continue
        if choice.info.id == known.engine_id:
            if not (named and address is not None):
                return choice
            said = (
                f'stack "{known.stack}" runs on {_engine(choice)}, not where DOCKER_HOST or DOCKER_CONTEXT '
                "point to (--host chooses another engine)"
            )
            return Choice(
                driver=choice.driver,
                name=choice.name,
                info=choice.info,
                address=address,
                lasting=choice.lasting,
                said=said,
                surprising=True,
            )
        choice.driver.close()
    where = f" at {known.address}" if known.address else ""
    raise Unavailable(
        f'stack "{known.stack}" was last brought up on {known.driver} engine "{known.engine_name}"{where}, '
        "which does not answer; start that engine, or name another one by --driver or --host"
    )


def _new(stack: str | None, environment: Mapping[str, str]) -> Choice:
    failures: list[str] = []
    for name, label, address in _candidates(environment):
        try:
            choice = _reach(name, address, environment)
        except (Unavailable, DriverTimeout, UsageError) as error:
            failures.append(f"{label}: {error}")
            continue
        subject = f'stack "{stack}" is' if stack else "the engine is"
        return Choice(
            driver=choice.driver,
            name=choice.name,
            info=choice.info,
            address=choice.address,
            lasting=choice.lasting,
            said=f"{subject} on {_engine(choice)}",
        )
    tried = "".join(f"\ntried {failure}" for failure in failures)
    raise Unavailable(
        f"no engine is to be had; start Docker or Podman's socket, or name one by --driver or --host{tried}"
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[str, str, str | None]]:
    named = environment.get("DOCKER_HOST") or environment.get("DOCKER_CONTEXT")
    yield DOCKER, f"docker ({named})" if named else "docker", None
    if named:
        # The user said where: another engine would be a silent switch.
        return
    for path in _podman_sockets(environment):
        if path.exists():
            yield DOCKER, f"podman ({path})", f"unix://{path}"
    yield LOCAL, "local", None


def _podman_sockets(environment: Mapping[str, str]) -> list[Path]:
    given = environment.get("CONTAINER_HOST", "")
    paths = [Path(given.removeprefix("unix://"))] if given.startswith("unix:///") else []
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime:
        paths.append(Path(runtime) / "podman" / "podman.sock")
    if os.geteuid() == 0:
        paths.append(Path("/run/podman/podman.sock"))
    return list(dict.fromkeys(paths))


def _engine(choice: Choice) -> str:
    at = f" at {choice.address}" if choice.address else ""
    version = f" {choice.info.version}" if choice.info.version else ""
    return f'{choice.name} engine "{choice.info.name}"{version}{at}'
