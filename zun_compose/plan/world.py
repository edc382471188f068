"""The observed half of a plan's input."""

from __future__ import annotations

from collections.abc import Mapping

from zun_compose.container import NetworkSeen, Observed, VolumeSeen
from zun_compose.driver import EngineInfo
from zun_compose.record import Record, field


class World(Record, kw_only=True):
    """What there is for one stack, observed at one moment.

    `images` maps references that services use to the ids of the images present now; where the engine pulls by
    itself (`has_images` False) to what it tells of them, "" for one that does not exist. `file_digests`
    maps keys "configs:KEY" and "secrets:KEY" to a digest of their content. `externals` names the
    external networks ("network:NAME") and volumes ("volume:NAME") that exist. `refused` tells
    by service what the engine cannot do at all, `lacking` what it runs without.
    """

    engine: EngineInfo
    containers: tuple[Observed, ...] = ()
    networks: tuple[NetworkSeen, ...] = ()
    volumes: tuple[VolumeSeen, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    file_digests: Mapping[str, str] = field(default_factory=dict)
    externals: frozenset[str] = frozenset()
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    can_rename: bool = True
    has_networks: bool = True
    has_volumes: bool = True
    has_images: bool = True
