"""The processes of a container as `top` shows them, from /proc."""

from __future__ import annotations

import os
import pwd
import time
from contextlib import suppress
from pathlib import Path

from zun_compose.driver import ProcessTable
from zun_compose.linux import proc

_TITLES = ("UID", "PID", "PPID", "STIME", "TIME", "CMD")
_DAY = 86400


def table(first: int) -> ProcessTable:
    """Return a container's first process and all below it; what ends meanwhile is left out."""
    rows = []
    for pid in (first, *sorted(proc.descendants(first))):
        with suppress(OSError, ValueError, IndexError):
            rows.append(_row(pid))
    return ProcessTable(titles=_TITLES, rows=tuple(rows))


def _row(pid: int) -> tuple[str, ...]:
    """Return one process, by the fields of proc(5); raises OSError, ValueError, IndexError if it is gone."""
    folder = Path(f"/proc/{pid}")
    text = (folder / "stat").read_text(errors="replace")
    name, fields = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    ticks = os.sysconf("SC_CLK_TCK")
    spent = (int(fields[11]) + int(fields[12])) // ticks
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks
    began = time.localtime(time.time() - age)
    words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return (
        _user(folder.stat().st_uid),
        str(pid),
        fields[1],
        time.strftime("%H:%M" if age < _DAY else "%b%d", began),
        f"{spent // 3600:02}:{spent // 60 % 60:02}:{spent % 60:02}",
        " ".join(words).strip() or f"[{name}]",
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
