"""Unpacking one layer into a folder, as an ordinary user, in one pass, whoever made it.

What an entry may do is settled here and by the kernel, not by comparing paths: each parent is opened below
the folder without following symlinks, and all is made by its last name below that. So

- names that are absolute or climb out, parents that are symlinks or files, and hard links to what
  the layer lacks are refused;
- symlinks are kept as they are, wherever they point: inside a container that is inside it;
- device nodes are left out, since an ordinary user can make none and a container gets a /dev of its own.
  Refusing them would refuse root file systems that are harmless once the nodes are gone;
- owners and extended attributes are left out: all belongs to whoever unpacks. A setuid bit stays as mode,
  of a file that belongs to us, below a folder that is closed to others;
- of entries with the same name the last one counts, as in every tar;
- `.wh.NAME` and `.wh..wh..opq` (OCI image-spec, layer.md) become what overlayfs reads with `userxattr`: a
  character device 0:0, which anyone may make, and the attribute user.overlay.opaque (Linux, overlayfs.rst).
"""

from __future__ import annotations

import os
from pathlib import Path

from zun_compose.drivers.local.images.layer_tree import FOLDER_FLAGS, LayerTree
from zun_compose.drivers.local.images.records import LIMITS, Limits
from zun_compose.drivers.local.images.streams import CHUNK, Bounded, Hashed, Readable, buffered, decompressed
from zun_compose.drivers.local.images.tar import TarStream
from zun_compose.record import Record


class Unpacked(Record, kw_only=True):
    """What one layer was. `digest` is that of the stream as given, `diff_id` of the plain tar.

    `size` is that of all files, `disk` what they take on disk, about; bytes.
    """

    digest: str
    diff_id: str
    size: int
    disk: int


def unpack(source: Readable, folder: Path, *, limits: Limits = LIMITS) -> Unpacked:
    """Unpack a tar, compressed or not, into a folder that exists, is empty and private.

    Reads the stream to its end. Raises Rejected, with the folder then in any state; OSError if the
    file system fails.
    """
    compressed = Hashed(source)
    plain = Hashed(Bounded(decompressed(compressed), compressed, limits))
    stream = buffered(plain)
    root = os.open(folder, FOLDER_FLAGS)
    try:
        os.fchmod(root, 0o700)
        tree = LayerTree(root, limits)
        try:
            archive = TarStream(stream)
            for entry in archive:
                tree.add(entry, archive)
            tree.finish()
        finally:
            tree.close()
    finally:
        os.close(root)
    # Digests count what follows the end mark, too.
    while stream.read(CHUNK):
        pass
    while compressed.read(CHUNK):
        pass
    return Unpacked(digest=compressed.digest, diff_id=plain.digest, size=tree.size, disk=tree.disk)
