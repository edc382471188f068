"""Becomes a user of the container, as its own /etc/passwd and /etc/group name it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator

_PASSWD = "/etc/passwd"  # noqa: S105 - a file, and none of passwords
_GROUP = "/etc/group"


def switch(user: str | None, environment: dict[str, str], added: Iterable[str] = ()) -> None:
    """Become "user", "user:group" or numbers of these, inside the container; None stays root.

    `added` are further groups, as names or numbers. HOME is that of the user unless the service declared its
    own. Raises OSError naming what there is not.
    """
    further = [_group(one, _GROUP) for one in added]
    if user is None or user in ("", "0", "root", "0:0", "root:root"):
        if further:
            os.setgroups([0, *further])
        return
    name, _, group = user.partition(":")
    number, primary, home = _account(name, _PASSWD)
    groups = [primary]
    if group:
        primary = _group(group, _GROUP)
        groups = [primary]
    else:
        groups += [gid for gid, members in _memberships() if name in members]
    try:
        os.setgroups([*groups, *further])
        os.setresgid(primary, primary, primary)
        os.setresuid(number, number, number)
    except OSError as error:
        raise OSError(error.errno, f"user {user} cannot be had here: {error.strerror}") from None
    if environment.get("HOME") in (None, "/root"):
        environment["HOME"] = home


def numbers(user: str, passwd: str, group: str) -> tuple[int, int]:
    """Return the numbers of "user" or "user:group", named in these files. Raises OSError for a stranger."""
    name, _, other = user.partition(":")
    number, primary, _ = _account(name, passwd)
    return number, _group(other, group) if other else primary


def _account(name: str, passwd: str) -> tuple[int, int, str]:
    """The number, group and home of a user; of a number that nobody has, group 0 as in Docker."""
    for fields in _rows(passwd, 6):
        if name in (fields[0], fields[2]):
            return int(fields[2]), int(fields[3]), fields[5] or "/"
    if name.isdigit():
        return int(name), 0, "/"
    raise OSError(errno.EINVAL, f"there is no user {name} in the container")


def _group(name: str, path: str) -> int:
    for fields in _rows(path, 3):
        if name in (fields[0], fields[2]):
            return int(fields[2])
    if name.isdigit():
        return int(name)
    raise OSError(errno.EINVAL, f"there is no group {name} in the container")


def _memberships() -> Iterator[tuple[int, list[str]]]:
    for fields in _rows(_GROUP, 4):
        yield int(fields[2]), fields[3].split(",")


def _rows(path: str, least: int) -> Iterator[list[str]]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.rstrip("\n").split(":")
                if len(fields) >= least and fields[2].isdigit():
                    yield fields
    except OSError:
        return
