"""A stack in a few lines of text: files held in memory, read by the real parser."""

from __future__ import annotations

import errno
import textwrap
from collections.abc import Mapping
from typing import Any

import pytest

from zun_compose.errors import SpecError
from zun_compose.parse import Loaded, Request, load


class Files:
    """A Source over a mapping from absolute path to text or bytes."""

    def __init__(self, files: Mapping[str, str | bytes], cwd: str = "/stack") -> None:
        self.files = {
            path if path.startswith("/") or path == "-" else f"{cwd}/{path}": content
            for path, content in files.items()
        }
        self.folder = cwd
        self.reads: list[str] = []

    def cwd(self) -> str:
        return self.folder

    def read(self, path: str) -> bytes:
        self.reads.append(path)
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "gone", path)
        content = self.files[path]
        return content if isinstance(content, bytes) else textwrap.dedent(content).encode()

    def exists(self, path: str) -> bool:
        return path in self.files or self.is_dir(path)

    def is_dir(self, path: str) -> bool:
        return any(name.startswith(path.rstrip("/") + "/") for name in self.files)


def read(
    text: str | bytes,
    *,
    files: Mapping[str, str | bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    **wanted: Any,
) -> Loaded:
    """Read `text` as /stack/compose.yaml, beside other files."""
    source = Files({"compose.yaml": text, **(files or {})})
    request = Request(environment={"HOME": "/home/me", **(environment or {})}, **wanted)
    return load(request, source)


def service(body: str, name: str = "web", **wanted: Any) -> Any:
    """Bind one service that has an image and the attributes of `body`."""
    text = f"services:\n  {name}:\n    image: x\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return read(text, **wanted).stack.services[name]


def faults(text: str | bytes, **wanted: Any) -> list[str]:
    """Read what is wrong, and return each fault as people see it, with its code in front."""
    with pytest.raises(SpecError) as caught:
        read(text, **wanted)
    return [f"{fault.code} {fault}" for fault in caught.value.faults]
