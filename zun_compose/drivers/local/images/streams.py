"""Byte streams read once: hashed, decompressed and bounded on the way."""

from __future__ import annotations

import hashlib
import io
import zlib
from typing import TYPE_CHECKING, Protocol

from zun_compose.drivers.local.images.records import Limits
from zun_compose.errors import Rejected

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 256 * 1024
GZIP, ZSTD, XZ, BZIP2 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh"
# What a decompressor may ask for: a stream chooses it, and one that wants more is none of an image.
_MEMORY = 256 * 1024 * 1024


class Readable(Protocol):
    """Anything read from front to back; fewer bytes than asked for are fine, none means the end."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        ...


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Hashed:
    """A stream that knows how much of it was read, and the digest of that."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.count = 0

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        data = self._source.read(size)
        self._hash.update(data)
        self.count += len(data)
        return data

    @property
    def digest(self) -> str:
        """The digest of all that was read so far, as "sha256:..."."""
        return f"sha256:{self._hash.hexdigest()}"


class Prefixed:
    """A stream that begins with bytes which were read off it before."""

    def __init__(self, prefix: bytes, source: Readable) -> None:
        self._prefix = prefix
        self._source = source

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        if not self._prefix:
            return self._source.read(size)
        data, self._prefix = self._prefix[:size], self._prefix[size:]
        return data


class Bounded:
    """A decompressed stream that refuses to become a bomb. Raises Rejected."""

    def __init__(self, source: Readable, compressed: Hashed, limits: Limits) -> None:
        self._source = source
        self._compressed = compressed
        self._limits = limits
        self._count = 0

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        data = self._source.read(size)
        self._count += len(data)
        limits = self._limits
        if self._count > limits.size:
            raise Rejected(f"it unpacks to more than {limits.size} bytes")
        if self._count > max(limits.grace, limits.ratio * self._compressed.count):
            raise Rejected(f"it unpacks to more than {limits.ratio} times its compressed size")
        return data


class _Raw(io.RawIOBase):
    def __init__(self, source: Readable) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._source.read(len(view))
        view[: len(data)] = data
        return len(data)


def buffered(source: Readable) -> io.BufferedReader:
    """Return the stream with a buffer, whose `read` returns all that was asked for except at the end."""
    return io.BufferedReader(_Raw(source), CHUNK)


def decompressed(source: Readable) -> Readable:
    """Return the plain bytes of a stream that gzip, zstd, xz, bzip2 or nobody compressed, by its first bytes.

    Raises Rejected for zstd where this Python cannot read it; reading raises it for damage.
    """
    head = b""
    while len(head) < len(XZ) and (more := source.read(len(XZ) - len(head))):
        head += more
    whole = Prefixed(head, source)
    for magic in (GZIP, ZSTD, XZ, BZIP2):
        if head.startswith(magic):
            return _Inflated(whole, magic)
    return whole


class _Inflated:
    def __init__(self, source: Readable, magic: bytes) -> None:
        self._source = source
        self._magic = magic
        self._machine = _decompressor(magic)
        self._pending = b""
        self._ended = False

    def read(self, size: int, /) -> bytes:
        while not self._ended:
            if self._machine.eof:
                self._advance()
                continue
            data, self._pending = self._pending, b""
            try:
                plain = self._machine.decompress(data, size)
            except (zlib.error, OSError, EOFError, ValueError, MemoryError) as error:
                raise Rejected("its compressed data is damaged") from error
            except Exception as error:
                # lzma and the zstd modules have error classes of their own, below Exception only.
                if type(error).__name__ in ("LZMAError", "ZstdError"):
                    raise Rejected("its compressed data is damaged") from error
                raise
            if plain:
                return plain
            self._advance()
        return b""

    def _advance(self) -> None:
        """Get input for the machine, or the next machine where one member follows another."""
        if self._machine.eof:
            rest = self._machine.unused_data.lstrip(b"\0")
            while not rest:
                more = self._source.read(CHUNK)
                if not more:
                    self._ended = True
                    return
                rest = more.lstrip(b"\0")
            if not self._magic.startswith(rest[: len(self._magic)]):
                raise Rejected("its compressed data is followed by something else")
            self._machine = _decompressor(self._magic)
            self._pending = rest
        elif self._machine.needs_input:
            self._pending = self._source.read(CHUNK)
            if not self._pending:
                raise Rejected("its compressed data ends too early")


class _Gzip:
    """zlib's object with the manners of bz2's and lzma's."""

    def __init__(self) -> None:
        self._machine = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._machine.eof

    @property
    def unused_data(self) -> bytes:
        return self._machine.unused_data

    @property
    def needs_input(self) -> bool:
        # A full answer may have left output behind although all input is used up.
        return not self._full and not self._machine.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        plain = self._machine.decompress(self._machine.unconsumed_tail + data, max_length)
        self._full = len(plain) == max_length
        return plain


def _decompressor(magic: bytes) -> _Decompressor:
    if magic == GZIP:
        return _Gzip()
    if magic == XZ:
        import lzma

        return lzma.LZMADecompressor(memlimit=_MEMORY)
    if magic == BZIP2:
        import bz2

        return bz2.BZ2Decompressor()
    return _zstd()


def _zstd() -> _Decompressor:
    from importlib import import_module

    # The same interface twice: Python's own since 3.14, and its backport.
    for module in ("compression.zstd", "backports.zstd"):
        try:
            machine: _Decompressor = import_module(module).ZstdDecompressor()
        except ImportError:
            continue
        return machine
    raise Rejected("it is compressed by zstd, which this Python cannot read: install backports.zstd")
