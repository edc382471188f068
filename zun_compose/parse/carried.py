"""What becomes of the attributes that no driver is asked about: zun-compose does them itself, or nobody does.

The drivers' tables hold all others (see capability.py). What is refused here would make a service something
else than its file says.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from zun_compose.capability import Row, Table, Verdict, rows, table

Rows = Iterator[Iterator[tuple[str, Row]]]

_DOES, _EMULATES = Verdict.DOES, Verdict.EMULATES
_IGNORES, _REFUSES = Verdict.IGNORES, Verdict.REFUSES
_BUILDKIT = "only BuildKit has it, and builds go to the classic builder"
_SWARM = "only a swarm has it"
_WINDOWS = "only containers of Windows have it"
_MODES = ("replicated", "replicated-job", "global", "global-job")
_POLICIES = ("always", "never", "build", "missing", "if_not_present")


@cache
def carried() -> Table:
    """Return the table."""
    return table(
        rows("", _DOES, "x-zun.**"),
        rows(
            "services.*",
            _DOES,
            "x-zun x-zun.job x-zun.once x-zun.gate x-readiness.** x-depends-on.** readiness.**",
        ),
        rows(
            "services.*",
            _DOES,
            "x-zun.fate.**",
            "a script for the memory driver alone",
        ),
        rows("", _DOES, "name services networks volumes configs secrets include.**"),
        rows("", _DOES, "version", "says nothing: every version is read alike"),
        rows("", _REFUSES, "models.**", "no model runner is started"),
        *_services(),
        *_deploy(),
        rows("services.*.build", _REFUSES, "secrets.** ssh additional_contexts", _BUILDKIT),
        rows(
            "services.*.build",
            _IGNORES,
            "cache_to no_cache_filter entitlements provenance sbom privileged",
            _BUILDKIT,
        ),
        rows("services.*.build", _IGNORES, "isolation", _WINDOWS, when=_not_default),
        rows("services.*.build", _DOES, "isolation"),
        *_resources(),
    )


def _not_default(value: object) -> bool:
    return value != "default"


def _services() -> Rows:
    yield rows(
        "services.*",
        _DOES,
        "attach container_name depends_on.** deploy env_file.** extends.** label_file networks.*.priority "
        "profiles scale",
    )
    yield rows(
        "services.*", _DOES, "ports.name ports.app_protocol", "a word for people; no engine acts on it"
    )
    yield rows(
        "services.*",
        _EMULATES,
        "ports.mode",
        "there is one machine: the port is published on it",
        when=lambda value: value != "ingress",
    )
    yield rows("services.*", _DOES, "ports.mode")
    yield rows(
        "services.*",
        _IGNORES,
        "pull_policy",
        "nobody knows when an image was pulled: it is pulled only where it is missing",
        when=lambda value: value not in _POLICIES,
    )
    yield rows("services.*", _DOES, "pull_policy")
    yield rows("services.*", _IGNORES, "pull_refresh_after", "nobody knows when an image was pulled")
    yield rows("services.*", _IGNORES, "develop.**", "there is no watch")
    yield rows("services.*", _IGNORES, "isolation", _WINDOWS, when=_not_default)
    yield rows("services.*", _DOES, "isolation")
    yield rows("services.*", _IGNORES, "cpu_count cpu_percent", _WINDOWS)
    yield rows("services.*", _REFUSES, "credential_spec.**", _WINDOWS)
    yield rows("services.*", _REFUSES, "provider.**", "providers are not run")
    yield rows("services.*", _REFUSES, "models.**", "no model runner is started")
    yield rows("services.*", _REFUSES, "use_api_socket", "no container is given the engine")
    yield rows("services.*", _REFUSES, "post_start.** pre_stop.**", "hooks are not run")
    yield rows(
        "services.*",
        _REFUSES,
        "volumes.bind.recursive",
        "mounts below the source always come along, as they are",
        when=lambda value: value != "enabled",
    )
    yield rows("services.*", _DOES, "volumes.bind.recursive")


def _deploy() -> Rows:
    yield rows("services.*.deploy", _DOES, "replicas restart_policy restart_policy.condition")
    yield rows(
        "services.*.deploy",
        _DOES,
        "restart_policy.max_attempts",
        "counts for on-failure only, as in docker compose",
    )
    yield rows(
        "services.*.deploy",
        _IGNORES,
        "restart_policy.delay restart_policy.window",
        "engines wait 100 ms before the first restart and twice as long before each further one",
    )
    yield rows(
        "services.*.deploy",
        _IGNORES,
        "mode",
        "modes are " + ", ".join(_MODES),
        when=lambda value: value not in _MODES,
    )
    yield rows(
        "services.*.deploy",
        _EMULATES,
        "mode",
        "there is one machine: as many containers as replicas say",
        when=lambda value: value.startswith("global"),
    )
    yield rows("services.*.deploy", _DOES, "mode")
    yield rows(
        "services.*.deploy",
        _IGNORES,
        "endpoint_mode",
        "names lead to the containers themselves",
        when=lambda value: value != "dnsrr",
    )
    yield rows("services.*.deploy", _EMULATES, "endpoint_mode", "names lead to the containers themselves")
    yield rows("services.*.deploy", _IGNORES, "labels", "a service is no object of an engine: use labels")
    yield rows("services.*.deploy", _IGNORES, "placement.** update_config.** rollback_config.**", _SWARM)
    yield rows("services.*.deploy", _DOES, "resources resources.limits resources.reservations")
    yield rows("services.*.deploy", _REFUSES, "resources.reservations.generic_resources.**", _SWARM)


def _resources() -> Rows:
    for section in ("networks.*", "volumes.*", "configs.*", "secrets.*"):
        yield rows(section, _DOES, "name external.name")
    for section in ("networks.*", "volumes.*"):
        yield rows(section, _DOES, "external")
    yield rows("configs.*", _DOES, "file environment content")
    yield rows("secrets.*", _DOES, "file environment")
    for section in ("configs.*", "secrets.*"):
        yield rows(section, _REFUSES, "external", "there is no store that it could come from: name a file")
        yield rows(section, _IGNORES, "labels", "it is no object of an engine")
        yield rows(section, _REFUSES, "template_driver", _SWARM)
    yield rows("secrets.*", _REFUSES, "driver driver_opts", _SWARM)
