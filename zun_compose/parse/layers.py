"""Reads all files of a stack into one checked tree: extends, include and the merging of several files."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Mapping
from typing import Any

from zun_compose.errors import Mark
from zun_compose.parse import dotenv, paths, text
from zun_compose.parse.check import check, check_early
from zun_compose.parse.extends import Extends
from zun_compose.parse.interpolate import interpolate
from zun_compose.parse.merge import as_list, lengthen_requests, merge
from zun_compose.parse.rules import at, language
from zun_compose.parse.source import Source
from zun_compose.parse.tree import Faults, Map, clone, locate
from zun_compose.parse.unify import unify
from zun_compose.parse.variables import Survey

_SECTIONS = ("services", "volumes", "networks", "secrets", "configs", "models")


INCLUDES = 500
"""How many files may be included, all levels together."""

REPEATED = 1 << 19
"""Bytes of files that may be read anew because they are included more than once."""


def reason(error: OSError) -> str:
    """Say in plain words why a file cannot be read."""
    if error.errno == errno.ENOENT:
        return "there is no such file"
    if error.errno == errno.EFBIG:
        return "it is larger than 16 MiB"
    return (error.strerror or "unreadable").lower()


class Layers:
    """One reading of a stack. `home` stands for ~ in paths; `survey` is shown every document as written."""

    def __init__(
        self,
        source: Source,
        faults: Faults,
        home: str,
        *,
        expand: bool = True,
        resolve: bool = True,
        survey: Survey | None = None,
    ) -> None:
        self.source = source
        self.faults = faults
        self.home = home
        self.expand = expand
        self.resolve = resolve
        self.survey = survey
        self._texts: dict[str, list[Map]] = {}
        self._unreadable: set[str] = set()
        self._taken: set[str] = set()
        self._included = self._repeated = 0
        self._sizes: dict[str, int] = {}
        self.extended = 0
        self.bases: dict[str, dict[str, Any] | None] = {}

    def documents(self, path: str, mark: Mark | None = None) -> list[Map] | None:
        """Return a file's documents to look at, not to change; None if it cannot be read (noted)."""
        found = self._texts.get(path)
        if found is None and path not in self._unreadable:
            try:
                content = self.source.read(path)
            except OSError as error:
                self._unreadable.add(path)
                self.faults.add("file", f'cannot read "{path}": {reason(error)}', mark)
                return None
            self._sizes[path] = len(content)
            found = []
            for document in text.read(content, path, self.faults):
                if isinstance(document, Map):
                    found.append(document)
                else:
                    self.faults.add(
                        "type", "the file must hold a mapping", locate(document, ()) or Mark(path, 1, 1)
                    )
            self._texts[path] = found
        return found

    def taken(self, path: str, mark: Mark | None = None) -> list[Map]:
        """Return a file's documents for keeps.

        Most files are asked for once; of those that are asked for again a copy stays.
        """
        found = self.documents(path, mark) or []
        if path in self._taken:
            return clone(found)  # type: ignore[no-any-return]
        self._taken.add(path)
        self._texts.pop(path, None)
        return found

    def model(
        self, files: tuple[str, ...], folder: str, variables: Mapping[str, str], within: tuple[str, ...] = ()
    ) -> Map:
        """Return the merged, checked tree of some files, its paths absolute from `folder`."""
        merged: Any = Map()
        before = len(self.faults.found)
        for path in files:
            for document in self.taken(path):
                self.interpolated(document, variables)
                self._version(document, path)
                Extends(self, path, folder, variables).document(document)
                self._include(document, path, folder, variables, within)
                merged = merge(merged, document, language(), self.faults) if merged else document
            merged = unify(merged, language())
            # Each file must be right with those before it: what comes later cannot excuse it.
            check(merged, self.faults)
            lengthen_requests(merged.get("services"))
        if len(self.faults.found) == before and self.resolve:
            paths.resolve(merged, folder, self.home)
        result: Map = merged
        return result

    def interpolated(self, document: Map, variables: Mapping[str, str]) -> None:
        """Note and replace the variables of a document, in place."""
        if self.survey is not None:
            self.survey.add(document)
        if self.expand:
            interpolate(document, language(), variables, self.faults)

    def _version(self, document: Map, path: str) -> None:
        if isinstance(document.get("version"), str):
            del document["version"]
            self.faults.warn(f"{path}: the attribute version is obsolete and ignored")

    def _include(
        self, document: Map, path: str, folder: str, variables: Mapping[str, str], within: tuple[str, ...]
    ) -> None:
        if "include" not in document:
            return
        entries = document["include"]
        sound = check_early(document, entries, at("include"), ("include",), self.faults)
        del document["include"]
        if not sound or entries is None:
            return
        known: set[str] = set()
        for index, entry in enumerate(entries):
            # What was included into this document already adds nothing to it.
            if repr(entry) in known:
                continue
            known.add(repr(entry))
            mark = locate(entries, (index,))
            if isinstance(entry, str):
                entry = {"path": entry}
            if not entry.get("path"):
                self.faults.add("include", "an include needs a path", mark)
                continue
            self._one_include(document, entry, mark, path, folder, variables, within)

    def _one_include(
        self,
        document: Map,
        entry: dict[str, Any],
        mark: Mark | None,
        path: str,
        folder: str,
        variables: Mapping[str, str],
        within: tuple[str, ...],
    ) -> None:
        names = [str(name) for name in as_list(entry["path"])]
        self._included += 1
        if self._repeated > REPEATED or self._included > INCLUDES + 1:
            return
        if self._included > INCLUDES:
            self.faults.add("include", f"more than {INCLUDES} includes", mark)
            return
        remote = [name for name in names if paths.is_remote(name) or name.startswith("oci:")]
        if remote:
            self.faults.add(
                "unsupported", f'cannot include "{remote[0]}": only local files can be included', mark
            )
            return
        files = tuple(paths.absolute(name, folder, self.home) for name in names)
        chain = (*within, path)
        for file in files:
            if file in chain:
                steps = " -> ".join((*chain[chain.index(file) :], file))
                self.faults.add("include_cycle", f"files include each other: {steps}", mark)
                return
        directory = entry.get("project_directory")
        inner = paths.absolute(directory, folder, self.home) if directory else posixpath.dirname(files[0])
        self._repeated += sum(self._sizes.get(file, 0) for file in files)
        if self._repeated > REPEATED:
            self.faults.add("include", "the same files are included too often", mark)
            return
        known = self._include_variables(entry, inner, folder, variables, mark)
        if known is None or any(self.documents(file, mark) is None for file in files):
            return
        model = self.model(files, inner, known, chain)
        for section in _SECTIONS:
            self._take(document, model, section)

    def _include_variables(
        self, entry: dict[str, Any], inner: str, folder: str, variables: Mapping[str, str], mark: Mark | None
    ) -> Mapping[str, str] | None:
        """Return what the included files may refer to; None, noted, if a file that tells cannot be read."""
        given = entry.get("env_file")
        if given is None:
            default = posixpath.join(inner, ".env")
            files = [default] if self.source.exists(default) and not self.source.is_dir(default) else []
        else:
            files = [paths.absolute(str(name), folder, self.home) for name in as_list(given)]
        return self._variables(files, variables, mark)

    def _variables(
        self, files: list[str], outer: Mapping[str, str], mark: Mark | None
    ) -> dict[str, str] | None:
        """Return `outer` with what the files add to it, None if one cannot be read; the outer value wins."""
        found: dict[str, str] = {}
        for file in files:
            try:
                content = self.source.read(file)
            except OSError as error:
                self.faults.add("env_file", f'cannot read "{file}": {reason(error)}', mark)
                return None
            found.update(dotenv.read(content, file, outer, self.faults, found))
        return {**found, **outer}

    def _take(self, document: Map, model: Map, section: str) -> None:
        added = model.get(section)
        if not isinstance(added, dict):
            return
        own = document.setdefault(section, Map())
        if not isinstance(own, dict):
            return
        for name, value in added.items():
            if name not in own:
                own.take(name, value, added) if isinstance(own, Map) else own.update({name: value})
            elif (own[name] or {}) != (value or {}):
                self.faults.add(
                    "include_conflict",
                    f"{section}.{name} is also defined by an included file",
                    locate(own, (name,), key=True),
                    "override it in a further file, or rename one of them",
                )
