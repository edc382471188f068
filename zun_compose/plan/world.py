"""The observed half of a plan's input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zun_compose.container import NetworkSeen, Observed, VolumeSeen
from zun_compose.driver import EngineInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What there is for one stack, observed at one moment.

    `images` maps references that services use to the ids of the images present now. `file_digests`
    maps keys "configs:KEY" and "secrets:KEY" to a digest of their content. `externals` names the
    external networks ("network:NAME") and volumes ("volume:NAME") that exist.
    """

    engine: EngineInfo
    containers: tuple[Observed, ...] = ()
    networks: tuple[NetworkSeen, ...] = ()
    volumes: tuple[VolumeSeen, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    file_digests: Mapping[str, str] = field(default_factory=dict)
    externals: frozenset[str] = frozenset()
    can_rename: bool = True
    has_networks: bool = True
    has_volumes: bool = True
    has_images: bool = True
