"""Text to stack, in named phases; `load` is their list.

discovery, layers (text, interpolate, extends, include, merge, check), shorthand, normalize, profiles,
consistency, bind. canonical prints the tree as docker compose does. Only disk.py reads files.

attributes/ is the one definition of the language, reference/ what is made of it: the JSON Schema and a page.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from zun_compose.errors import Mark, UsageError
from zun_compose.model import Stack
from zun_compose.parse import canonical as printing
from zun_compose.parse import consistency, normalize, paths, profiles, shorthand
from zun_compose.parse.bind import Frame, bind
from zun_compose.parse.discovery import Found, discover, normal, valid
from zun_compose.parse.interpolate import Invalid, Missing, expand
from zun_compose.parse.layers import Layers
from zun_compose.parse.request import Request
from zun_compose.parse.rules import language
from zun_compose.parse.source import Source
from zun_compose.parse.tree import Faults, Map, clone, locate, spell, without
from zun_compose.parse.unify import unify
from zun_compose.parse.variables import Survey, Variable
from zun_compose.record import Record, replace

_NAME_HINT = "lower-case letters, digits, - and _, a letter or digit first"

__all__ = ["Loaded", "Request", "Source", "Variable", "dump", "load", "used_variables"]


# With more faults than this in its shape, a file is told those alone: looking further takes time.
_FEW = 100


class Loaded(Record, kw_only=True):
    """What was read. `variables` are the values that interpolation saw: never print them unasked."""

    unshown = ("tree", "variables")

    stack: Stack
    tree: Map
    variables: Mapping[str, str]
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
    if not tree and not faults.found:
        faults.add("empty", "there is nothing in the stack file", Mark(found.files[0], 1, 1))
    reading = _Reading(request=request, source=source, found=found, home=home, name=name, variables=variables)
    if faults.found:
        reading.look_further(tree, faults, lambda sound, later: _finish(reading, sound, later, resolve=True))
    faults.check()
    return _finish(reading, tree, faults)


# What keeps a file from being read, and so from telling its variables. That one of them lacks a value is
# what is asked, and what the file comes to without it is not.
_UNREADABLE = frozenset(
    f"spec.{word}"
    for word in (
        "alias_bomb",
        "anchor",
        "encoding",
        "extends",
        "extends_cycle",
        "file",
        "include",
        "include_cycle",
        "interpolation",
        "key",
        "merge_key",
        "tag",
        "too_deep",
        "unsupported",
        "yaml",
    )
)


def used_variables(request: Request, source: Source) -> tuple[Variable, ...]:
    """Return all variables that the stack's files use, by name, whether or not they have a value.

    Files that are included or extended from count with all that they say. Raises SpecError for files that
    cannot be read, UsageError if there is nothing to read.
    """
    faults, survey = Faults(), Survey()
    home = request.environment.get("HOME", "") or "/"
    found = discover(request, source, faults, home)
    layers = Layers(source, faults, home, resolve=False, survey=survey)
    variables = {**found.variables, "COMPOSE_PROJECT_NAME": _name(request, layers, found, faults)}
    layers.model(found.files, found.folder, variables)
    faults.found = [fault for fault in faults.found if fault.code in _UNREADABLE]
    faults.check()
    return survey.variables()


class _Reading(Record, kw_only=True):
    """What all phases after the layers need to know."""

    unshown = ("variables",)

    request: Request
    source: Source
    found: Found
    home: str
    name: str
    variables: Mapping[str, str]

    def look_further(self, tree: Any, faults: Faults, phases: Callable[[Map, Faults], object]) -> None:
        """Add what later phases find wrong in the parts of a faulty file that are sound."""
        if not isinstance(tree, Map) or len(faults.paths) > _FEW:
            return
        later = Faults()
        later.written, later.values = faults.written, faults.values
        # What is said of a whole service that has lost a part may be a consequence of that.
        broken = tuple(f"{spell(path[:2])} " for path in faults.paths)
        broken += tuple(
            f'service "{path[1]}"' for path in faults.paths if path[:1] == ("services",) and path[1:]
        )
        without(tree, faults.paths)
        # A tree with holes may be more than a phase can take; then the first faults have to do.
        with suppress(Exception):
            phases(tree, later)
        faults.take(later, (fault for fault in later.found if not fault.what.startswith(broken)))


def _finish(reading: _Reading, tree: Map, faults: Faults, *, resolve: bool = False) -> Loaded:
    """Run the phases from the short forms to the model; `resolve` makes paths absolute first."""
    request, source, found = reading.request, reading.source, reading.found
    name, variables = reading.name, reading.variables
    if resolve and request.resolve_paths:
        paths.resolve(tree, found.folder, reading.home)
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
    frame = Frame(
        name=name,
        working_dir=found.folder,
        files=found.files,
        environment_files=found.environment_files,
        inactive={key: tuple(service.get("profiles") or ()) for key, service in inactive.items()},
        default_gate=request.default_gate,
        lenient=request.lenient,
    )
    if faults.found:
        reading.look_further(tree, faults, lambda sound, later: bind(sound, frame, variables, later))
    faults.check()
    whole = clone(tree) if request.all_resources else None
    profiles.prune(tree)

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
