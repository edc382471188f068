"""The words for groups of attributes that stand in several places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXTRA_HOSTS = (
    "Names with addresses that are added to the hosts file: a mapping from name to one address or several, "
    "or a list of `name=address`. The address `host-gateway` is the host's."
)

HOOK: Mapping[str, Any] = {
    "": "One command.",
    "command": "The command: a line that is split into words, or a list of words.",
    "user": "Who runs it, a name or a number. Default: the container's user.",
    "privileged": "Whether it runs with all privileges.",
    "working_dir": "The folder that it starts in. Default: the container's.",
    "environment": "Variables that it gets besides the container's.",
}


def hooks(when: str) -> Mapping[str, Any]:
    """Return the words for a list of commands that run in a container at some time."""
    return {"": f"Commands that are run in the container {when}.", "[]": HOOK}


def file_mounts(kind: str, place: str) -> Mapping[str, Any]:
    """Return the words for configs or secrets that a service is given."""
    return {
        "": f"The {kind}s that the container is given as files: each by its name alone, or with more to say.",
        "[].source": f"The name of the {kind} in the top-level `{kind}s`.",
        "[].target": (
            f"The file's path in the container. Default: {place}; a relative path is below the same folder."
        ),
        "[].uid": "The number of the user who owns the file, as a string. Default: 0.",
        "[].gid": "The number of the group that owns the file, as a string. Default: 0.",
        "[].mode": "The file's permissions, such as `0440`. Default: `0444`.",
    }


def ulimits(whose: str) -> Mapping[str, Any]:
    """Return the words for limits by name."""
    return {
        "": f"Limits of {whose} by name, such as `nofile`, as the command `ulimit` sets them.",
        ".*": "One number for both limits, or each of them. `-1` is no limit.",
        ".*.soft": "What counts until a process raises it.",
        ".*.hard": "What a process can raise the soft limit to.",
    }


def devices(what: str) -> Mapping[str, Any]:
    """Return the words for requests for devices."""
    return {
        "": what,
        "[]": "A request for devices that are alike.",
        "[].capabilities": "What a device must be able to do, such as `gpu` or `tpu`.",
        "[].count": "How many devices: a number or `all`. Not together with `device_ids`.",
        "[].device_ids": "Which devices, by the ids that their driver gives them. Not together with `count`.",
        "[].driver": "The driver that provides them, such as `nvidia`.",
        "[].options": "What the driver shall know besides.",
    }


def block_io(what: str, key: str, value: str) -> Mapping[str, Any]:
    """Return the words for limits of block devices, one a device."""
    return {
        "": f"{what}, device by device.",
        "[].path": "The device's file, such as `/dev/sda`.",
        f"[].{key}": value,
    }


EXTERNAL: Mapping[str, Any] = {
    "": "true: it exists already, under its `name`; it is neither made nor removed.",
    "name": "Obsolete spelling of the `name` beside `external`.",
}
LABELS = "Labels it is given when it is made."
NAME = (
    "The name that the engine knows it by. Default: its key here, with the stack's name in front unless it "
    "is external."
)
DRIVER_OPTS = "Options for the driver."
