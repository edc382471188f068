"""Names and numbers of capabilities (capabilities(7)), and those that Docker gives a container by default."""

from __future__ import annotations

from collections.abc import Iterable

from zun_compose.errors import Rejected

_NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
    "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
    "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip
NUMBERS = {f"CAP_{name}": number for number, name in enumerate(_NAMES)}
DEFAULT = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
    "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
)  # fmt: skip


def granted(add: Iterable[str], drop: Iterable[str], *, privileged: bool) -> tuple[str, ...]:
    """Return what a container may do within its own namespaces. Raises Rejected for unknown names."""
    added, dropped = _named(add), _named(drop)
    if privileged:
        return tuple(NUMBERS)
    kept = set() if "ALL" in dropped else set(DEFAULT)
    if "ALL" in added:
        kept = set(NUMBERS)
    kept = (kept - dropped) | (added - {"ALL"})
    return tuple(name for name in NUMBERS if name in kept)


def _named(words: Iterable[str]) -> set[str]:
    found = set()
    for word in words:
        name = word.upper()
        if name != "ALL":
            name = f"CAP_{name.removeprefix('CAP_')}"
            if name not in NUMBERS:
                raise Rejected(f'"{word}" is not a capability')
        found.add(name)
    return found
