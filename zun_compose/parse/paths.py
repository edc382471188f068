"""Relative paths of a stack file to absolute ones, in short and long forms alike. Pure text work.

Works on trees that no check has seen yet. Absolute paths stay, so doing it twice changes nothing.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Any

from zun_compose.parse.volumes import is_path, read_volume, split_volume

_REMOTE = re.compile(r"(?:[a-z][a-z0-9+.-]*://|github\.com/|git@)", re.IGNORECASE)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def absolute(path: str, folder: str, home: str) -> str:
    """Return `path` made absolute from `folder`; a leading ~ is `home`."""
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    if path.startswith("/") or _WINDOWS.match(path):
        return path
    return posixpath.normpath(posixpath.join(folder, path))


def is_remote(text: str) -> bool:
    """Tell whether a build context is fetched from elsewhere."""
    return bool(_REMOTE.match(text))


def resolve(tree: Any, folder: str, home: str, *, contexts: bool = True) -> None:
    """Make every path of a tree absolute, in place; `contexts` gives builds without a context the folder."""
    _Resolver(folder, home, contexts).tree(tree)


class _Resolver:
    def __init__(self, folder: str, home: str, contexts: bool) -> None:
        self.folder = folder
        self.home = home
        self.contexts = contexts

    def path(self, text: str) -> str:
        return absolute(text, self.folder, self.home)

    def key(self, owner: Any, key: str, *, empty: bool = False) -> None:
        """Resolve one attribute; with `empty` an empty text means the folder itself."""
        if isinstance(owner, dict) and isinstance(owner.get(key), str) and (empty or owner[key]):
            owner[key] = self.path(owner[key])

    def listed(self, owner: Any, key: str, inner: str = "path") -> None:
        value = owner.get(key)
        if isinstance(value, str):
            owner[key] = self.path(value)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, str):
                    value[index] = self.path(item)
                else:
                    self.key(item, inner)

    def tree(self, tree: Any) -> None:
        if not isinstance(tree, dict):
            return
        for service in _entries(tree, "services"):
            self.service(service)
        for kind in ("configs", "secrets"):
            for entry in _entries(tree, kind):
                self.key(entry, "file", empty=True)
        for volume in _entries(tree, "volumes"):
            options = volume.get("driver_opts")
            if isinstance(options, dict) and volume.get("driver") == "local":
                device = options.get("device")
                if options.get("o") == "bind" and isinstance(device, str):
                    options["device"] = self.path(device) if device else self.folder

    def service(self, service: dict[str, Any]) -> None:
        for key in ("env_file", "label_file"):
            self.listed(service, key)
        self.key(service.get("extends"), "file")
        if "build" in service:
            self.build(service)
        develop = service.get("develop")
        watches = develop.get("watch") if isinstance(develop, dict) else None
        for watch in watches if isinstance(watches, list) else ():
            self.key(watch, "path")
        volumes = service.get("volumes")
        if isinstance(volumes, list):
            for index, item in enumerate(volumes):
                if isinstance(item, str):
                    source, _, _ = split_volume(item)
                    if source and is_path(source):
                        volumes[index] = self.mount(item, getattr(volumes, "mark", None))
                elif isinstance(item, dict) and item.get("type") == "bind":
                    self.key(item, "source", empty=True)

    def mount(self, text: str, mark: Any) -> Any:
        """Return the long form: an absolute source may hold what splits the short one at another place."""
        try:
            entry = read_volume(text, mark)
        except ValueError:
            return text  # The phase that reads the short forms names it.
        self.key(entry, "source")
        return entry

    def build(self, service: dict[str, Any]) -> None:
        build = service["build"]
        if isinstance(build, str):
            service["build"] = self.context(build)
        elif isinstance(build, dict):
            if isinstance(build.get("context"), str):
                build["context"] = self.context(build["context"])
            elif self.contexts and "context" not in build:
                build["context"] = self.path(".")
            self.values(build.get("additional_contexts"), self.named_context)
            self.values(build.get("ssh"), self.path)

    def values(self, pairs: Any, convert: Callable[[str], str]) -> None:
        if isinstance(pairs, dict):
            for name, value in pairs.items():
                if isinstance(value, str) and value:
                    pairs[name] = convert(value)
        elif isinstance(pairs, list):
            for index, item in enumerate(pairs):
                if isinstance(item, str) and "=" in item:
                    name, _, value = item.partition("=")
                    pairs[index] = f"{name}={convert(value)}"

    def context(self, text: str) -> str:
        return text if is_remote(text) or not text else self.path(text)

    def named_context(self, text: str) -> str:
        return text if "://" in text or text.startswith("service:") else self.context(text)


def _entries(tree: dict[str, Any], key: str) -> list[dict[str, Any]]:
    section = tree.get(key)
    return (
        [entry for entry in section.values() if isinstance(entry, dict)] if isinstance(section, dict) else []
    )
