"""The rules of a service's `build`."""

from __future__ import annotations

from zun_compose.parse.attributes.shapes import (
    FLAG,
    WHOLE_SIZE,
    Group,
    extra_hosts,
    file_mounts,
    pairs,
    rule,
    string_or_list,
    strings,
    text,
    ulimits,
)
from zun_compose.parse.rules import BOOLEAN, OBJECT, STRING

BUILD: Group = {
    "": rule(STRING, OBJECT, merge="build"),
    "context": text(),
    "dockerfile": text(),
    "dockerfile_inline": text(),
    "entitlements": strings(),
    "args": pairs(),
    "ssh": pairs(),
    "labels": pairs(),
    "cache_from": strings(),
    "cache_to": strings(),
    "no_cache": FLAG,
    "no_cache_filter": string_or_list(distinct=True),
    "additional_contexts": pairs(),
    "network": text(),
    "provenance": rule(STRING, BOOLEAN),
    "sbom": rule(STRING, BOOLEAN),
    "pull": FLAG,
    "target": text(),
    "shm_size": WHOLE_SIZE,
    "extra_hosts": extra_hosts(),
    "isolation": text(),
    "privileged": FLAG,
    "secrets": file_mounts(),
    "tags": strings("text"),
    "ulimits": ulimits(),
    "platforms": strings(),
}
