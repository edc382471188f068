"""`extends`: a service takes over what another one says, of the same file or another."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zun_compose.errors import Mark
from zun_compose.parse import paths, text
from zun_compose.parse.check import check_early
from zun_compose.parse.merge import lengthen_requests, merge
from zun_compose.parse.rules import at, language
from zun_compose.parse.tree import Map, clone, locate
from zun_compose.record import Record

if TYPE_CHECKING:
    from zun_compose.parse.layers import Layers

EXTENDED = 200_000
"""How many entries services may get by extends."""

CHAIN = 100
"""How many services may extend each other in a row."""


class _Home(Record, kw_only=True):
    """Where a service stands: its file, the folder that its paths start from, and the services beside it."""

    path: str
    folder: str
    services: dict[str, Any]


class Extends:
    """Resolves `extends` in the documents of one file."""

    def __init__(self, layers: Layers, path: str, folder: str, variables: Mapping[str, str]) -> None:
        self.layers = layers
        self.faults = layers.faults
        self.path = path
        self.folder = folder
        self.variables = variables

    def document(self, document: Map) -> None:
        """Resolve all services of a document, in place."""
        services = document.get("services")
        if isinstance(services, dict):
            home = _Home(path=self.path, folder=self.folder, services=services)
            for name in list(services):
                self._service(home, name, ())
        elif services is None and "services" in document:
            self.faults.add("type", "services must be a mapping, not empty", locate(document, ("services",)))

    def _service(self, home: _Home, name: str, chain: tuple[tuple[str, str], ...]) -> Any:
        service = home.services[name]
        if not isinstance(service, dict) or "extends" not in service:
            return service
        origin = self._origin(home, name, chain)
        if origin is None:
            del service["extends"]
            return service
        base = self._service(*origin, (*chain, (home.path, name)))
        if not isinstance(base, dict):
            # An empty base adds nothing, and docker compose leaves the reference standing.
            return service
        if self.layers.extended <= EXTENDED:
            self.layers.extended += text.measured(base, EXTENDED - self.layers.extended)[0]
        if self.layers.extended > EXTENDED:
            self.faults.add("extends", "extends expands to too much", locate(service, ("extends",)))
            return service
        merged = merge(clone(base), service, at("services", "*"), self.faults, ("services", name))
        merged.pop("extends", None)
        if isinstance(merged, Map):
            merged.mark = getattr(service, "mark", None)
        home.services[name] = merged
        return merged

    def _origin(self, home: _Home, name: str, chain: tuple[tuple[str, str], ...]) -> tuple[_Home, str] | None:
        """Return where the service that `name` extends stands, None if that was noted as a fault."""
        extends = home.services[name]["extends"]
        node, path = at("services", "*", "extends"), ("services", name, "extends")
        if not check_early({"services": home.services}, extends, node, path, self.faults):
            return None
        mark = locate(home.services[name], ("extends",))
        reference = extends["service"] if isinstance(extends, dict) else extends
        file = extends.get("file") if isinstance(extends, dict) else None
        step = (home.path, name)
        if step in chain or len(chain) > CHAIN:
            names = [service for _, service in (*chain, step)]
            steps = " -> ".join(names[chain.index(step) :] if step in chain else [*names[:5], "..."])
            self.faults.add("extends_cycle", f"services extend each other: {steps}", mark)
        elif isinstance(file, str) and paths.is_remote(file):
            what = f'cannot extend from "{file}": only local files can be read'
            self.faults.add("unsupported", what, mark)
        else:
            origin = self._other(home, file, name, mark) if isinstance(file, str) else home
            if origin is not None and reference in origin.services:
                return origin, reference
            if origin is not None:
                what = f'service "{name}" extends "{reference}", which is not in {origin.path}'
                self.faults.add("extends", what, mark, self.faults.near(reference, origin.services))
        return None

    def _other(self, home: _Home, file: str, name: str, mark: Mark | None) -> _Home | None:
        path = paths.absolute(file, home.folder, self.layers.home)
        folder = posixpath.dirname(path)
        services = self._base(path, folder, name, mark)
        return None if services is None else _Home(path=path, folder=folder, services=services)

    def _base(self, path: str, folder: str, name: str, mark: Mark | None) -> dict[str, Any] | None:
        """Return the services of another file, shared by all that extend from it."""
        bases = self.layers.bases
        if path not in bases:
            bases[path] = self._read(path, folder, name, mark)
        return bases[path]

    def _read(self, path: str, folder: str, name: str, mark: Mark | None) -> dict[str, Any] | None:
        layers = self.layers
        merged: Any = Map()
        if layers.documents(path, mark) is None:
            return None
        for document in layers.taken(path):
            layers.interpolated(document, self.variables)
            merged = merge(merged, document, language(), layers.faults) if merged else document
        services = merged.get("services")
        if not isinstance(services, dict):
            layers.faults.add("extends", f'cannot extend service "{name}": {path} has no services', mark)
            return None
        lengthen_requests(services)
        if layers.resolve:
            paths.resolve({"services": services}, folder, layers.home, contexts=False)
        return services
