"""Names of images, read as Docker reads them (distribution's reference grammar).

"busybox" is "docker.io/library/busybox:latest": the first part is a registry only if it holds a dot or
colon or is "localhost".
"""

from __future__ import annotations

import re

from zun_compose.credentials import DEFAULT_DOMAIN, LEGACY_DOMAIN, is_domain
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected
from zun_compose.record import Record

_DEFAULT_PATH = "library/"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST = 255


class Reference(Record, kw_only=True):
    """One name: where (`domain`), what (`path`), and which by `tag` or, if it is there, by `digest`."""

    domain: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @property
    def repository(self) -> str:
        """The name without tag and digest, as Docker prints it."""
        if self.domain != DEFAULT_DOMAIN:
            return f"{self.domain}/{self.path}"
        return self.path.removeprefix(_DEFAULT_PATH)

    def __str__(self) -> str:
        """The name as Docker prints it: without what it would add again."""
        if self.digest is not None:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}"


def parse(text: str) -> Reference:
    """Read a name; without tag and digest it means "latest". Raises Rejected for what is none."""
    reference = parsed(text)
    if reference is None:
        raise Rejected(f"{shown(text)} is no image name: it takes the form NAME[:TAG] or NAME@sha256:DIGEST")
    return reference


def parsed(text: str) -> Reference | None:
    """Read a name, None for what is none."""
    name, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        return None
    first, slash, rest = name.partition("/")
    if slash and is_domain(first):
        domain, name = first, rest
    else:
        domain = DEFAULT_DOMAIN
    if domain == LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    path, colon, tag = name.partition(":")
    if (colon and not _TAG.fullmatch(tag)) or not _PATH.fullmatch(path) or not _DOMAIN.fullmatch(domain):
        return None
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"{_DEFAULT_PATH}{path}"
    if len(domain) + 1 + len(path) > _LONGEST:
        return None
    return Reference(
        domain=domain, path=path, tag=tag or (None if at else "latest"), digest=digest if at else None
    )
