"""The scenarios by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.results import Result
from bench.scenarios import chains, failures, fifty, latency, local, planning, reading, zun
from bench.session import Session

# Run when they are named: what they need is not brought up for the others.
NAMED_ONLY = frozenset({"zun"})

SCENARIOS: Mapping[str, Callable[[Session], Result]] = {
    "chain": chains.chain,
    "p1": failures.p1,
    "p2": chains.p2,
    "p4": chains.p4,
    "p8": failures.p8,
    "p9": chains.p9,
    "p12": failures.p12,
    "fifty": fifty.fifty,
    "latency": latency.latency,
    "local-many": local.many,
    "local-most": local.most,
    "local-latency": local.gates,
    "local-chain": local.links,
    "planning": planning.planning,
    "config": reading.config,
    "zun": zun.zun,
}
