"""Reading a tar archive once from front to back: ustar, GNU long names and pax, with bounds everywhere.

Not `tarfile`: that follows a header's sizes without a bound, reads headers recursively, and takes damage
in the middle for the end. POSIX.1-2017, pax, is the source of the format, GNU tar's manual of "L" and "K".
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from enum import Enum

from zun_compose.drivers.local.images.streams import CHUNK
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected
from zun_compose.record import Mutable

BLOCK = 512
_ZEROS = bytes(BLOCK)
_LONGEST_HEADER = 1024 * 1024
# One "x", one "L" and one "K" are what writers put before an entry.
_MOST_HEADERS = 8


class Kind(Enum):
    """What an entry is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARDLINK = "hard link"
    DEVICE = "device"
    FIFO = "fifo"


_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.DEVICE,
    b"4": Kind.DEVICE,
    b"5": Kind.FOLDER,
    b"6": Kind.FIFO,
}


class Entry(Mutable):
    """One entry as the archive has it: nothing in it is checked but that it can be read.

    `size` is that of the data which follows (files only), `mtime` nanoseconds since the epoch.
    """

    name: str
    kind: Kind
    size: int
    mode: int
    mtime: int
    link: str


class TarStream:
    """Iterates over entries; the data of an entry can be read until the next one is asked for.

    Raises Rejected for what is no tar archive, is damaged, sparse, or ends without its end mark.
    """

    def __init__(self, source: io.BufferedIOBase) -> None:
        self._source = source
        self._left = 0
        self._padding = 0
        self._first = True
        self.offset = 0

    def __iter__(self) -> Iterator[Entry]:
        """Yield each entry."""
        while (entry := self._next()) is not None:
            yield entry

    def data(self) -> Iterator[bytes]:
        """Yield the rest of the current entry's data."""
        while self._left:
            data = self._exactly(min(self._left, CHUNK))
            self._left -= len(data)
            yield data

    def skip(self) -> None:
        """Leave the current entry's data out, by seeking where that is possible."""
        size = self._left + self._padding
        self._left = self._padding = 0
        if size and self._source.seekable():
            self._source.seek(size, io.SEEK_CUR)
            self.offset += size
            return
        while size:
            size -= len(self._exactly(min(size, CHUNK)))

    def _exactly(self, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) != size:
            raise Rejected("the tar archive ends too early")
        self.offset += size
        return data

    def _next(self) -> Entry | None:
        self.skip()
        records: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            header = self._exactly(BLOCK)
            if header == _ZEROS:
                if records:
                    raise Rejected("the tar archive ends after the header of an entry")
                return None
            self._check(header)
            flag = header[156:157]
            size = _number(header[124:136])
            if flag in b"xgLK":
                self._extend(records, flag, self._header_data(size))
            else:
                return self._entry(header, flag, size, records)
        raise Rejected("an entry of the tar archive has too many headers")

    def _check(self, header: bytes) -> None:
        first, self._first = self._first, False
        try:
            right = _number(header[148:156]) == sum(header[:148]) + sum(header[156:]) + 8 * 32
        except Rejected:
            right = False
        if not right:
            raise Rejected("it is not a tar archive" if first else "a header of the tar archive is damaged")

    def _header_data(self, size: int) -> bytes:
        if size > _LONGEST_HEADER:
            raise Rejected(f"a header of the tar archive is longer than {_LONGEST_HEADER} bytes")
        data = self._exactly(size)
        self._exactly(-size % BLOCK)
        return data

    @staticmethod
    def _extend(records: dict[str, str], flag: bytes, data: bytes) -> None:
        if flag == b"L":
            records["path"] = _text(data)
        elif flag == b"K":
            records["linkpath"] = _text(data)
        else:
            found = dict(_records(data))
            if any(key.startswith("GNU.sparse.") for key in found):
                raise Rejected("the tar archive holds sparse files: write it without --sparse")
            if flag == b"x":
                records.update(found)
            elif found.keys() & {"path", "linkpath", "size"}:
                raise Rejected("a global header of the tar archive names a path or size")

    def _entry(self, header: bytes, flag: bytes, size: int, records: dict[str, str]) -> Entry:
        name = records.get("path")
        if name is None:
            name = _text(header[:100])
            if header[257:263] == b"ustar\0" and header[345]:
                name = f"{_text(header[345:500])}/{name}"
        kind = _KINDS.get(flag)
        if kind is None:
            what = "is sparse: write it without --sparse" if flag == b"S" else "has an unknown type"
            raise Rejected(f"entry {shown(name)} {what}")
        if flag == b"\0" and name.endswith("/"):
            kind = Kind.FOLDER
        if "size" in records:
            size = _decimal(records["size"])
        if size >= 1 << 62:
            raise Rejected(f"entry {shown(name)} has an impossible size")
        if kind is Kind.FILE:
            self._left, self._padding = size, -size % BLOCK
        else:
            size = 0
        mtime = records.get("mtime")
        return Entry(
            name,
            kind,
            size,
            _number(header[100:108]) & 0o7777,
            _number(header[136:148], signed=True) * 10**9 if mtime is None else _nanoseconds(mtime),
            records.get("linkpath") or _text(header[157:257]),
        )


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(field: bytes, *, signed: bool = False) -> int:
    """Read octal digits, or GNU's base 256 which is marked by the first bit."""
    if field[0] & 0x80:
        number = int.from_bytes(field, "big") - (field[0] << 8 * (len(field) - 1))
        if field[0] == 0x80:
            return number
        if field[0] == 0xFF and signed:
            return number - (1 << 8 * (len(field) - 1))
    else:
        digits = field.strip(b" \0")
        if not digits:
            return 0
        if digits.isdigit() and b"8" not in digits and b"9" not in digits:
            return int(digits, 8)
    raise Rejected("a number in a header of the tar archive cannot be read")


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Rejected("a size in a header of the tar archive cannot be read")
    return int(text)


def _nanoseconds(text: str) -> int:
    """Read pax's decimal seconds; an unreadable time is the epoch's, nothing depends on it."""
    whole, _, part = text.partition(".")
    try:
        seconds, fraction = int(whole), int((part + "000000000")[:9])
    except ValueError:
        return 0
    return seconds * 10**9 + (-fraction if text.startswith("-") else fraction)


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    """Read pax records: length, blank, key, =, value, newline; the length counts all of them."""
    damaged = "a pax header of the tar archive is damaged"
    position = 0
    while position < len(data):
        blank = data.find(b" ", position, position + 10)
        digits = data[position:blank] if blank > 0 else b""
        if not digits.isdigit():
            raise Rejected(damaged)
        end = position + int(digits)
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if end > len(data) or end <= blank or not equals or data[end - 1 : end] != b"\n":
            raise Rejected(damaged)
        yield _decoded(key), _decoded(value)
        position = end


def _decoded(field: bytes) -> str:
    return field.decode("utf-8", "surrogateescape")
