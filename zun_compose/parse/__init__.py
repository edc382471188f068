"""Text to stack, in named phases; `load` is their list.

discovery, layers (text, interpolate, extends, include, merge, check), shorthand, normalize, profiles,
consistency, bind. canonical prints the tree as docker compose does. Only disk.py reads files.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from zun_compose.errors import UsageError
from zun_compose.model import Stack
from zun_compose.parse import canonical as printing
from zun_compose.parse import consistency, normalize, profiles, shorthand
from zun_compose.parse.bind import Frame, bind
from zun_compose.parse.discovery import Found, discover, normal, valid
from zun_compose.parse.interpolate import Invalid, Missing, expand
from zun_compose.parse.layers import Layers
from zun_compose.parse.request import Request
from zun_compose.parse.rules import language
from zun_compose.parse.source import Source
from zun_compose.parse.tree import Faults, Map, clone, locate, spell, without
from zun_compose.parse.unify import unify

_NAME_HINT = "lower-case letters, digits, - and _, a letter or digit first"

__all__ = ["Loaded", "Request", "Source", "dump", "load"]


# With more faults than this in its shape, a file is told those alone: looking further takes time.
_FEW = 100


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was read. `variables` are the values that interpolation saw: never print them unasked."""

    stack: Stack
    tree: Map = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    profiles: tuple[str, ...] = ()
    escape: bool = True

    @property
    def canonical(self) -> dict[str, Any]:
        """The model exactly as `docker compose config --format json` prints it."""
        return printing.canonical(self.tree, self.stack.name, extensions=False, escape=self.escape)

    @property
    def extended(self) -> dict[str, Any]:
        """The same with x-... attributes everywhere, as `--format yaml` prints it."""
        return printing.canonical(self.tree, self.stack.name, extensions=True, escape=self.escape)


def load(request: Request, source: Source) -> Loaded:
    """Read a stack. Raises SpecError with all faults, UsageError if there is nothing to read."""
    faults = Faults()
    home = request.environment.get("HOME", "") or "/"
    found = discover(request, source, faults, home)
    layers = Layers(source, faults, home, expand=request.interpolate, resolve=request.resolve_paths)
    name = _name(request, layers, found, faults)
    variables = {**found.variables, "COMPOSE_PROJECT_NAME": name}

    tree = layers.model(found.files, found.folder, variables)
    reading = _Reading(request=request, source=source, found=found, name=name, variables=variables)
    if faults.found:
        reading.look_further(tree, faults)
    faults.check()
    return _finish(reading, tree, faults)


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What all phases after the layers need to know."""

    request: Request
    source: Source
    found: Found
    name: str
    variables: Mapping[str, str] = field(repr=False)

    def look_further(self, tree: Any, faults: Faults) -> None:
        """Add what later phases find wrong in the parts of a faulty file that are sound."""
        if not isinstance(tree, Map) or len(faults.paths) > _FEW:
            return
        later = Faults()
        # What is said of a whole service that has lost a part may be a consequence of that.
        broken = tuple(f"{spell(path[:2])} " for path in faults.paths)
        broken += tuple(
            f'service "{path[1]}"' for path in faults.paths if path[:1] == ("services",) and path[1:]
        )
        without(tree, faults.paths)
        # A tree with holes may be more than a phase can take; then the first faults have to do.
        with suppress(Exception):
            _finish(self, tree, later)
        faults.found += [fault for fault in later.found if not fault.what.startswith(broken)]


def _finish(reading: _Reading, tree: Map, faults: Faults) -> Loaded:
    """Run the phases from the short forms to the model."""
    request, source, found = reading.request, reading.source, reading.found
    name, variables = reading.name, reading.variables
    shorthand.lengthen(tree, faults)
    unify(tree, language())
    env_files: list[str] = []
    consistency.resources(tree, faults)
    normalize.explicit(tree)
    if request.normalize:
        normalize.defaults(tree)
    inactive = profiles.select(tree, found.profiles, request.services)
    normalize.environment(tree, source, variables, faults, env_files)
    if request.normalize:
        normalize.normalize(tree, name, variables)
    if request.consistency:
        consistency.Consistency(tree, inactive, faults).run()
    faults.check()
    whole = clone(tree) if request.all_resources else None
    profiles.prune(tree)

    frame = Frame(
        name=name,
        working_dir=found.folder,
        files=found.files,
        environment_files=found.environment_files,
        inactive={key: tuple(service.get("profiles") or ()) for key, service in inactive.items()},
        default_gate=request.default_gate,
        lenient=request.lenient,
    )
    stack = bind(tree, frame, variables, faults)
    faults.check()
    if request.name or found.variables.get("COMPOSE_PROJECT_NAME"):
        stack = replace(stack, named=True)
    return Loaded(
        stack=stack,
        tree=whole if whole is not None else tree,
        variables=variables,
        profiles=found.profiles,
        escape=request.interpolate,
    )


def _name(request: Request, layers: Layers, found: Found, faults: Faults) -> str:
    given = request.name or found.variables.get("COMPOSE_PROJECT_NAME")
    if given:
        if not valid(given):
            raise UsageError(f'"{given}" is no stack name: {_NAME_HINT}')
        return given
    said = None
    mark = None
    for file in found.files:
        for document in layers.documents(file) or ():
            text = document.get("name")
            if isinstance(text, str) and text:
                try:
                    text = expand(text, found.variables, lambda _: None) if request.interpolate else text
                except (Invalid, Missing):
                    continue  # The interpolation phase names it with its place.
                said, mark = normal(text), locate(document, ("name",))
    if said is not None:
        if not said:
            faults.add("name", "the name makes no stack name", mark, _NAME_HINT)
        return said
    name = normal(posixpath.basename(found.folder))
    if not name:
        raise UsageError("the folder's name makes no stack name: give one with -p")
    return name


def dump(canonical: Mapping[str, Any], format: str) -> str:
    """Write a canonical model as "json" or "yaml"."""
    if format == "json":
        return json.dumps(canonical, indent=2, ensure_ascii=False)
    from zun_compose.parse.dumping import to_yaml

    return to_yaml(canonical)
