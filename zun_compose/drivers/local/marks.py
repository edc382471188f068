"""The mark by which processes without isolation are known as a container's."""

from __future__ import annotations

from zun_compose.linux import proc

MARK = "ZUN_COMPOSE_CONTAINER"
"""The variable that tells a process without isolation which container it is of."""


def marked(container: str) -> tuple[int, ...]:
    """Return the processes of ours that carry a container's mark in their environment."""
    wanted = f"{MARK}={container}".encode()
    found = []
    for pid in proc.everyone():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            continue
    return tuple(found)
