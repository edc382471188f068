"""The rules of what stands beside the services: networks, volumes, configs, secrets and models."""

from __future__ import annotations

from zun_compose.parse.attributes.shapes import FLAG, Group, options, pairs, rule, strings, text
from zun_compose.parse.rules import ARRAY, BOOLEAN, INTEGER, NULL, OBJECT, STRING

_EXTERNAL: Group = {
    "": rule(BOOLEAN, STRING, OBJECT, cast="bool"),
    "name": text(),
}

NETWORK: Group = {
    "": rule(OBJECT, NULL),
    "name": text(),
    "driver": text(),
    "driver_opts": options(),
    "ipam": rule(OBJECT, keep=True),
    "ipam.driver": text(),
    "ipam.config": {
        "": rule(ARRAY, merge="pools"),
        "[]": rule(OBJECT),
        "[].subnet": text(),
        "[].ip_range": text(),
        "[].gateway": text(),
        "[].aux_addresses": {"": rule(OBJECT), ".*": text()},
    },
    "ipam.options": {"": rule(OBJECT), ".*": text()},
    "external": _EXTERNAL,
    "internal": FLAG,
    "enable_ipv4": FLAG,
    "enable_ipv6": FLAG,
    "attachable": FLAG,
    "labels": pairs(),
}

VOLUME: Group = {
    "": rule(OBJECT, NULL),
    "name": text(),
    "driver": text(),
    "driver_opts": options(),
    "external": _EXTERNAL,
    "labels": pairs(),
}

SECRET: Group = {
    "": rule(OBJECT),
    "name": text(),
    "environment": text(),
    "file": text(),
    "external": _EXTERNAL,
    "labels": pairs(),
    "driver": text(),
    "driver_opts": options(),
    "template_driver": text(),
}

CONFIG: Group = {
    "": rule(OBJECT),
    "name": text(),
    "content": text(),
    "environment": text(),
    "file": text(),
    "external": _EXTERNAL,
    "labels": pairs(),
    "template_driver": text(),
}

MODEL: Group = {
    "": rule(OBJECT, required=("model",)),
    "name": text(),
    "model": text(),
    "context_size": rule(INTEGER),
    "runtime_flags": strings(),
}
