"""The documents that images are made of: indexes, manifests and what they name (OCI image-spec 1.1).

Docker's own kinds are the same but for their media types.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from zun_compose.drivers.local.images.config import Document, as_object, read_document
from zun_compose.drivers.local.images.platforms import Platform, choose
from zun_compose.drivers.local.images.references import DIGEST, Reference
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected
from zun_compose.record import Record

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
LAYERS = frozenset(
    {
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    }
)
_ATTESTATION = "vnd.docker.reference.type"
MOST_DESCRIPTORS = 1000


class Layer(Record, kw_only=True):
    """One layer in an archive: `digest` is that of its file (None: not told), `diff_id` of its tar."""

    name: str
    digest: str | None
    diff_id: str


class Found(Record, kw_only=True):
    """One image in an archive, its documents checked. `digest` is its manifest's, where it has one."""

    id: str
    text: bytes
    document: Document
    layers: tuple[Layer, ...]
    references: tuple[Reference, ...] = ()
    digest: str | None = None


class Manifest(Record, kw_only=True):
    """A checked image manifest."""

    config: Mapping[str, Any]
    layers: tuple[Mapping[str, Any], ...]


def digest_of(text: bytes) -> str:
    """Return the digest of a document."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def blob(digest: str) -> str:
    """Return where an OCI layout keeps what has a digest."""
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def descriptors(body: Mapping[str, Any], key: str, what: str) -> tuple[Mapping[str, Any], ...]:
    """Return a list of descriptors, each with a sha256 digest and a size. Raises Rejected."""
    found = body.get(key)
    if not isinstance(found, list):
        raise Rejected(f'{what} has no list "{key}"')
    if len(found) > MOST_DESCRIPTORS:
        raise Rejected(f"{what} has more than {MOST_DESCRIPTORS} entries")
    return tuple(_descriptor(one, what) for one in found)


def _descriptor(found: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise Rejected(f"{what} has an entry that is no object")
    digest, size = found.get("digest"), found.get("size")
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise Rejected(f"{what} names {shown(str(digest))}, which is no sha256 digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 62:
        raise Rejected(f"{what} has an entry without a size")
    if not isinstance(found.get("mediaType"), str):
        raise Rejected(f"{what} has an entry without a media type")
    return found


def read_manifest(text: bytes) -> Manifest:
    """Read an image manifest. Raises Rejected for any other document, and for layers kept elsewhere."""
    what = "its manifest"
    body = as_object(text, what)
    if body.get("schemaVersion") != 2:
        raise Rejected("its manifest is not of schema version 2")
    if body.get("mediaType", OCI_MANIFEST) not in MANIFESTS:
        raise Rejected(
            f"its manifest has the media type {shown(str(body['mediaType']))}, which is no image's"
        )
    config = _descriptor(body.get("config"), what)
    if config["mediaType"] not in CONFIGS:
        raise Rejected(
            f"its configuration has the media type {shown(config['mediaType'])}, which is no image's"
        )
    layers = descriptors(body, "layers", what)
    for layer in layers:
        if layer["mediaType"] not in LAYERS:
            raise Rejected(
                f"a layer has the media type {shown(layer['mediaType'])}, which cannot be unpacked"
            )
    return Manifest(config=config, layers=layers)


def found_image(manifest: Manifest, text: bytes, **known: Any) -> Found:
    """Put a manifest and its configuration together. Raises Rejected if they do not fit."""
    document = read_document(text)
    if len(document.diff_ids) != len(manifest.layers):
        raise Rejected(
            f"its manifest has {len(manifest.layers)} layers, its configuration {len(document.diff_ids)}"
        )
    layers = tuple(
        Layer(name=blob(layer["digest"]), digest=layer["digest"], diff_id=diff_id)
        for layer, diff_id in zip(manifest.layers, document.diff_ids, strict=True)
    )
    return Found(id=manifest.config["digest"], text=text, document=document, layers=layers, **known)


def wanted_entry(text: bytes, wanted: Platform) -> Mapping[str, Any]:
    """Return the descriptor of an index for a platform; attestations are no images. Raises Rejected."""
    body = as_object(text, "its index")
    if body.get("schemaVersion") != 2 or body.get("mediaType", OCI_INDEX) not in INDEXES:
        raise Rejected("its index is of an unknown kind")
    return choose([one for one in descriptors(body, "manifests", "its index") if is_image(one)], wanted)


def is_image(entry: Mapping[str, Any]) -> bool:
    """Whether a descriptor is of an image, not of what was attested about one."""
    notes = entry.get("annotations")
    return not (isinstance(notes, dict) and _ATTESTATION in notes)
