"""The words for what stands beside the services: networks, volumes, configs, secrets and models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zun_compose.parse.reference.wording.shared import DRIVER_OPTS, EXTERNAL, LABELS, NAME

NETWORK: Mapping[str, Any] = {
    "": "A network; left empty it has the engine's defaults.",
    "name": NAME,
    "driver": "The network's driver, such as `bridge`. Default: the engine's.",
    "driver_opts": DRIVER_OPTS,
    "ipam": "How addresses are given out.",
    "ipam.driver": "The driver that gives them out.",
    "ipam.config": {
        "": "The ranges of addresses; files that name the same subnet are joined.",
        "[].subnet": "The range, such as `172.28.0.0/16`.",
        "[].ip_range": "The part of it that containers get addresses from.",
        "[].gateway": "The address of the way out.",
        "[].aux_addresses": "Addresses that are not given out, by host name.",
    },
    "ipam.options": "Options for that driver.",
    "external": EXTERNAL,
    "internal": "Whether the network has no way out.",
    "enable_ipv4": "Whether containers get IPv4 addresses.",
    "enable_ipv6": "Whether containers get IPv6 addresses.",
    "attachable": "Whether containers outside the stack may join.",
    "labels": LABELS,
}

VOLUME: Mapping[str, Any] = {
    "": "A volume; left empty it has the engine's defaults.",
    "name": NAME,
    "driver": "The volume's driver. Default: the engine's, `local`.",
    "driver_opts": DRIVER_OPTS,
    "external": EXTERNAL,
    "labels": LABELS,
}

SECRET: Mapping[str, Any] = {
    "": "A secret: its content comes from a `file` or from the `environment`. It is never shown.",
    "name": NAME,
    "environment": "The variable that holds the content.",
    "file": "The file that holds the content.",
    "external": EXTERNAL,
    "labels": LABELS,
    "driver": "The secret's driver, in a swarm.",
    "driver_opts": DRIVER_OPTS,
    "template_driver": "The driver that fills in a template, in a swarm.",
}

CONFIG: Mapping[str, Any] = {
    "": (
        "A configuration file: its content comes from a `file`, from the `environment`, or stands here as "
        "`content`."
    ),
    "name": NAME,
    "content": "The content itself; variables are filled in.",
    "environment": "The variable that holds the content.",
    "file": "The file that holds the content.",
    "external": EXTERNAL,
    "labels": LABELS,
    "template_driver": "The driver that fills in a template, in a swarm.",
}

MODEL: Mapping[str, Any] = {
    "": "An AI model.",
    "name": "The model's name. Default: its key here, with the stack's name in front.",
    "model": "The model's reference, such as `ai/smollm2`.",
    "context_size": "How many tokens the model looks back on.",
    "runtime_flags": "Flags for the engine that runs the model.",
}
