"""Pulling an image: its manifest, configuration and missing layers into a folder, each byte checked.

The OCI distribution-spec 1.1 is the source. A registry and all that stands between are strangers: what
counts are digests, from the manifest down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zun_compose.driver import PullProgress
from zun_compose.drivers.local.images.config import as_object
from zun_compose.drivers.local.images.manifests import (
    INDEXES,
    MANIFESTS,
    Found,
    blob,
    digest_of,
    found_image,
    read_manifest,
    wanted_entry,
)
from zun_compose.drivers.local.images.platforms import Platform
from zun_compose.drivers.local.images.records import Limits
from zun_compose.drivers.local.images.references import Reference
from zun_compose.drivers.local.images.streams import CHUNK, Hashed
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected, Unsupported
from zun_compose.record import Mutable

if TYPE_CHECKING:
    from zun_compose.drivers.local.images.transport import Answer, Transport

_PAUSE = 0.1
_ACCEPTED = ", ".join(sorted(INDEXES | MANIFESTS))


class Fetch(Mutable):
    """One pull of `name`, which the user wrote as `asked`."""

    name: Reference
    asked: str
    wanted: Platform
    limits: Limits
    progress: Callable[[PullProgress], None]
    _current: int = 0
    _total: int = 0
    _told: float = 0.0

    def into(self, folder: Path, held: Collection[str]) -> Found:
        """Fetch the image into an OCI layout's folder, without the layers whose diff id is in `held`.

        What is in the folder already is not fetched again. Raises NotFound, Rejected and Unavailable;
        Unsupported without oras; OSError where the disk fails.
        """
        transport = transport_to(self.name)
        try:
            digest, text = self._manifest(transport)
            manifest = read_manifest(text)
            config = self._document(transport, manifest.config)
            found = found_image(manifest, config, references=(self.name,), digest=digest)
            missing = {
                layer["digest"]: layer["size"]
                for layer, known in zip(manifest.layers, found.layers, strict=True)
                if known.diff_id not in held and not (folder / blob(layer["digest"])).exists()
            }
            self._current, self._total = 0, sum(missing.values())
            if self._total > self.limits.size:
                raise Rejected(f"its layers are larger than {self.limits.size} bytes")
            for one, size in missing.items():
                self._layer(transport, folder, one, size)
            self._say("unpacking", force=True)
        finally:
            transport.close()
        return found

    def _manifest(self, transport: Transport) -> tuple[str, bytes]:
        """Return the digest that the name stands for, and the manifest for the wanted platform."""
        digest, kind, text = asked_manifest(transport, self.name, self.limits)
        if kind not in INDEXES:
            return digest, text
        entry = wanted_entry(text, self.wanted)
        if entry["mediaType"] not in MANIFESTS:
            raise Rejected(f"its index names {shown(entry['mediaType'])}, which is no image")
        _, text = _small(transport.manifest(entry["digest"], _ACCEPTED), self.limits)
        if digest_of(text) != entry["digest"]:
            raise Rejected(f"the registry sent a manifest that does not have its digest {entry['digest']}")
        return digest, text

    def _document(self, transport: Transport, descriptor: Mapping[str, Any]) -> bytes:
        _, text = _small(transport.blob(descriptor["digest"]), self.limits)
        if digest_of(text) != descriptor["digest"]:
            raise Rejected("the registry sent a configuration that does not have its digest")
        return text

    def _layer(self, transport: Transport, folder: Path, digest: str, size: int) -> None:
        target = folder / blob(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name("part")
        with closing(transport.blob(digest)) as answer, temporary.open("wb") as stream:
            body = Hashed(answer)
            while data := body.read(CHUNK):
                if body.count > size:
                    break
                stream.write(data)
                self._current += len(data)
                self._say("downloading")
        if body.count != size or body.digest != digest:
            raise Rejected(f"the registry sent a layer that does not have its digest {digest} and size")
        temporary.rename(target)

    def _say(self, status: str, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._told >= _PAUSE:
            self._told = now
            said = PullProgress(image=self.asked, status=status, current=self._current, total=self._total)
            self.progress(said)


def digest_at_registry(name: Reference, limits: Limits) -> str:
    """Return the digest that the registry has for a name now: that of its index, where it has one.

    Raises NotFound, Rejected and Unavailable; Unsupported without oras.
    """
    transport = transport_to(name)
    try:
        return asked_manifest(transport, name, limits)[0]
    finally:
        transport.close()


def transport_to(name: Reference) -> Transport:
    """Return a way to a name's registry. Raises Unsupported without oras."""
    try:
        from zun_compose.drivers.local.images.transport import Transport
    except ImportError as error:
        raise Unsupported('asking registries needs the package "oras": install zun-compose[local]') from error
    return Transport(name)


def asked_manifest(transport: Transport, name: Reference, limits: Limits) -> tuple[str, str, bytes]:
    """Return digest, media type and text of what the registry has under a name: an index or a manifest."""
    kind, text = _small(transport.manifest(name.digest or name.tag or "latest", _ACCEPTED), limits)
    digest = digest_of(text)
    if name.digest is not None and digest != name.digest:
        raise Rejected(f"the registry sent a manifest with the digest {digest}")
    return digest, kind, text


def _small(answer: Answer, limits: Limits) -> tuple[str, bytes]:
    """Read a whole document; returns its media type and text."""
    text = b""
    with closing(answer):
        while len(text) <= limits.document and (data := answer.read(CHUNK)):
            text += data
    if len(text) > limits.document:
        raise Rejected(f"the registry sent a document of more than {limits.document} bytes")
    kind = answer.kind
    if kind not in INDEXES | MANIFESTS and text.lstrip().startswith(b"{"):
        # Plain file servers know no media types; the document may.
        kind = str(as_object(text, "a document of the registry").get("mediaType", kind))
    return kind, text
