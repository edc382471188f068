"""What the Compose Specification knows and we read, but do not carry out: one table, and who is told.

`refuse` rows would make a service something else than its file says; a plan that holds such a service is
refused. All others are said in a warning. `config` prints everything and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from zun_compose.errors import Fault
from zun_compose.model import FileMount, FileObject, Service
from zun_compose.parse.tree import Faults, Map, Path, locate

CODE = "spec.not_carried"
_HINT = "take it out, or run this service with docker compose"


class Row(NamedTuple):
    """One attribute of a service that is not carried out. Values in `nothing` ask for nothing."""

    path: tuple[str, ...]
    refuse: bool = False
    nothing: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The attribute as people write it."""
        return ".".join(self.path)


def _rows(names: str, *, below: tuple[str, ...] = (), refuse: bool = False) -> Iterator[Row]:
    for name in names.split():
        nothing = frozenset({"default"}) if name == "isolation" else frozenset[str]()
        yield Row((*below, name), refuse, nothing)


TABLE: tuple[Row, ...] = (
    *_rows("provider gpus device_cgroup_rules credential_spec use_api_socket models", refuse=True),
    *_rows("post_start pre_stop", refuse=True),
    *_rows("devices generic_resources", below=("deploy", "resources", "reservations"), refuse=True),
    *_rows("secrets ssh additional_contexts", below=("build",), refuse=True),
    *_rows("blkio_config storage_opt external_links isolation"),
    *_rows("cpu_count cpu_percent cpu_rt_period cpu_rt_runtime"),
    *_rows("privileged ulimits isolation cache_to no_cache_filter", below=("build",)),
    *_rows("entitlements provenance sbom", below=("build",)),
)


def uncarried(
    tree: Map,
    services: Mapping[str, Service],
    configs: Mapping[str, FileObject],
    secrets: Mapping[str, FileObject],
    faults: Faults,
) -> dict[str, tuple[Fault, ...]]:
    """Return what forbids a service to be brought up, by service; the rest becomes warnings."""
    found: dict[str, tuple[Fault, ...]] = {}
    for name, service in services.items():
        raw = tree["services"][name]
        path: Path = ("services", name)
        here = [*_attributes(tree, raw, path, faults)]
        here += _files(tree, service, "config", service.configs, configs, faults)
        here += _files(tree, service, "secret", service.secrets, secrets, faults)
        if here:
            found[name] = tuple(here)
    return found


def _attributes(tree: Map, raw: Map, path: Path, faults: Faults) -> Iterator[Fault]:
    for row in TABLE:
        value: Any = raw
        for part in row.path:
            value = value.get(part) if isinstance(value, dict) else None
        if not value or str(value) in row.nothing:
            continue
        if row.refuse:
            yield Fault(
                code=CODE,
                what=f'service "{path[1]}" asks for {row.name}, which zun-compose does not carry out',
                mark=locate(tree, (*path, *row.path), key=True),
                hint=_HINT,
            )
        else:
            faults.warn(f'service "{path[1]}": {row.name} is not carried out')


def _files(
    tree: Map,
    service: Service,
    kind: str,
    uses: Iterable[FileMount],
    things: Mapping[str, FileObject],
    faults: Faults,
) -> Iterator[Fault]:
    """Look at configs and secrets that cannot be put in: they are mounted, or there is no way."""
    for index, use in enumerate(uses):
        thing = things.get(use.source)
        why = service.closed_to(use.target)
        if thing is None or thing.external or not why:
            continue
        if thing.file is None:
            yield Fault(
                code=CODE,
                what=f'service "{service.name}": {kind} "{use.source}" has no file to mount, and nothing can '
                f"be put at {use.target}: {why}",
                mark=locate(tree, ("services", service.name, f"{kind}s", index)),
                hint=f"take the {kind} from a file, or give it another target",
            )
        elif not use.plain:
            faults.warn(
                f'service "{service.name}": {kind} "{use.source}" is mounted with the owner and mode of its '
                f"file, not with the uid, gid or mode asked for: {why}"
            )
