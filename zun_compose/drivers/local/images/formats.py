"""What images an archive holds: an OCI layout (image-spec 1.1, image-layout.md) or what docker save wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from zun_compose.drivers.local.images.archive import Archive
from zun_compose.drivers.local.images.config import as_object, read_document
from zun_compose.drivers.local.images.manifests import (
    INDEXES,
    MANIFESTS,
    MOST_DESCRIPTORS,
    Found,
    Layer,
    blob,
    descriptors,
    digest_of,
    found_image,
    is_image,
    read_manifest,
    wanted_entry,
)
from zun_compose.drivers.local.images.platforms import Platform, choose, declared_platform
from zun_compose.drivers.local.images.records import Limits
from zun_compose.drivers.local.images.references import Reference, parsed
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected

# containerd and docker write whole names into the first, other tools whole names or tags into the second.
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_DEEPEST_INDEX = 4
_HEX = re.compile(r"[0-9a-f]{64}")


def find(archive: Archive, wanted: Platform, limits: Limits) -> Sequence[Found]:
    """Return all images of an archive that are for a platform. Raises Rejected."""
    text = _read(archive, "index.json", limits)
    if text is not None and _read(archive, "oci-layout", limits) is not None:
        return _find_oci(archive, text, wanted, limits)
    text = _read(archive, "manifest.json", limits)
    if text is not None:
        return _find_docker(archive, text, limits)
    raise Rejected(
        "it holds neither an OCI layout nor what docker save writes; "
        "a plain root file system is imported by --kind rootfs"
    )


def _find_oci(archive: Archive, text: bytes, wanted: Platform, limits: Limits) -> list[Found]:
    layout = as_object(_read(archive, "oci-layout", limits) or b"", '"oci-layout"')
    if layout.get("imageLayoutVersion") != "1.0.0":
        raise Rejected('"oci-layout" has an unknown version')
    body = as_object(text, '"index.json"')
    if body.get("schemaVersion") != 2:
        raise Rejected('"index.json" is not of schema version 2')
    entries = [one for one in descriptors(body, "manifests", '"index.json"') if is_image(one)]
    if not entries:
        raise Rejected('"index.json" names no image')
    found: dict[str, Found] = {}
    for group in _groups(entries, wanted):
        image = _resolve(archive, group, wanted, limits)
        known = found.get(image.id)
        if known is not None:
            image = _with_references(image, (*known.references, *image.references))
        found[image.id] = image
    return list(found.values())


def _with_references(image: Found, references: tuple[Reference, ...]) -> Found:
    from zun_compose.record import replace

    return replace(image, references=tuple(dict.fromkeys(references)))


def _groups(entries: Sequence[Mapping[str, Any]], wanted: Platform) -> list[Mapping[str, Any]]:
    """Of entries that differ in their platform only, return the wanted one."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for entry in entries:
        names = tuple(str(name) for name in _references(entry))
        groups.setdefault(names, []).append(entry)
    chosen: list[Mapping[str, Any]] = []
    for group in groups.values():
        if len(group) > 1 and any(declared_platform(one) is not None for one in group):
            chosen.append(choose(group, wanted))
        else:
            chosen.extend(group)
    return chosen


def _resolve(archive: Archive, entry: Mapping[str, Any], wanted: Platform, limits: Limits) -> Found:
    """Follow indexes down to an image."""
    references = _references(entry)
    top = entry["digest"]
    for _ in range(_DEEPEST_INDEX):
        text = _blob(archive, entry, "an index or manifest", limits)
        if entry["mediaType"] in INDEXES:
            entry = wanted_entry(text, wanted)
            continue
        if entry["mediaType"] not in MANIFESTS:
            raise Rejected(f"it holds {shown(entry['mediaType'])}, which is no image")
        manifest = read_manifest(text)
        config = _blob(archive, manifest.config, "its configuration", limits)
        return found_image(manifest, config, references=references, digest=top)
    raise Rejected("its indexes name each other without end")


def _references(entry: Mapping[str, Any]) -> tuple[Reference, ...]:
    notes = entry.get("annotations")
    if not isinstance(notes, dict):
        return ()
    for key in _NAMES:
        name = notes.get(key)
        # A bare word is a tag whose image has no name here.
        if isinstance(name, str) and ("/" in name or ":" in name):
            reference = parsed(name)
            if reference is not None and reference.digest is None:
                return (reference,)
    return ()


def _find_docker(archive: Archive, text: bytes, limits: Limits) -> list[Found]:
    """Read the list in manifest.json (Docker image specification v1.2)."""
    what = '"manifest.json"'
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{what} is not JSON") from error
    if not isinstance(listed, list) or not listed or len(listed) > MOST_DESCRIPTORS:
        raise Rejected(f"{what} is not a list of images")
    return [_docker_image(archive, entry, what, limits) for entry in listed]


def _docker_image(archive: Archive, entry: Any, what: str, limits: Limits) -> Found:
    if not isinstance(entry, dict):
        raise Rejected(f"{what} has an entry that is no object")
    name, layers, tags = entry.get("Config"), entry.get("Layers"), entry.get("RepoTags") or []
    if not isinstance(name, str) or not _all_text(layers) or not _all_text(tags):
        raise Rejected(f"{what} has an entry without Config or Layers, or of a wrong type")
    text = _read(archive, name, limits)
    if text is None:
        raise Rejected(f"{what} names the configuration {shown(name)}, which the archive does not hold")
    digest = digest_of(text)
    named = _HEX.search(name)
    if named is not None and digest != f"sha256:{named[0]}":
        raise Rejected(f"its configuration {shown(name)} does not have the digest in its name")
    document = read_document(text)
    if len(document.diff_ids) != len(layers):
        raise Rejected(f"{what} has {len(layers)} layers, its configuration {len(document.diff_ids)}")
    references = []
    for tag in tags:
        reference = parsed(tag)
        if reference is None or reference.digest is not None:
            raise Rejected(f"{what} has the name {shown(tag)}, which is none")
        references.append(reference)
    return Found(
        id=digest,
        text=text,
        document=document,
        layers=tuple(
            Layer(name=layer, digest=None, diff_id=diff_id)
            for layer, diff_id in zip(layers, document.diff_ids, strict=True)
        ),
        references=tuple(references),
    )


def _all_text(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _read(archive: Archive, name: str, limits: Limits) -> bytes | None:
    stream = archive.open(name)
    if stream is None:
        return None
    with stream:
        text = stream.read(limits.document + 1)
    if len(text) > limits.document:
        raise Rejected(f"{shown(name)} is larger than {limits.document} bytes")
    return text


def _blob(archive: Archive, descriptor: Mapping[str, Any], what: str, limits: Limits) -> bytes:
    digest = descriptor["digest"]
    text = _read(archive, blob(digest), limits)
    if text is None:
        raise Rejected(f"it does not hold {what} that it names, {digest}")
    if digest_of(text) != digest:
        raise Rejected(f"{what} does not have its digest {digest}")
    return text
