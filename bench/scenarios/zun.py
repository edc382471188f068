"""OpenStack Zun: what `up` takes beside a bare script of python-zunclient that makes the same containers.

Needs the OpenStack of the tests, which has to be up, and its virtual environment, which has python-zunclient.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bench.contenders import OURS, ROOT, Contender, Failed
from bench.floor import AT_ONCE
from bench.results import Bar, Result, Row, ratio
from bench.session import Session, needs
from tests.cloud import access, registry, settings
from tests.cloud.errors import CloudError
from tests.cloud.keystone import TENANT
from tests.cloud.settings import Port, Settings

BARE = "python-zunclient"
NETWORK = "private"
LIMIT = 300.0
COMMAND = ["sh", "-c", "trap exit TERM; sleep 3600 & wait"]
# Which services start together, one group after the other: a shop, and a dozen without an order.
SHAPES: Mapping[str, Sequence[Sequence[str]]] = {
    "five": [["db"], ["app", "cache"], ["front"], ["watch"]],
    "twelve": [[f"s{number:02}" for number in range(12)]],
}


def zun(session: Session) -> Result:
    """Five services in four groups, and twelve in one."""
    cloud = _cloud()
    rows = []
    with _pointed_at(cloud):
        ours = Contender(name=OURS, program=(*session.ours.program, "--driver", "zun"), suffix="ours")
        for shape, groups in SHAPES.items():
            file = session.write(f"zun{shape}", **_stack(cloud, groups))
            samples: dict[str, list[float]] = {OURS: [], BARE: []}
            for number in range(session.runs):
                for who in (OURS, BARE) if number % 2 == 0 else (BARE, OURS):
                    seconds = _ours(ours, file) if who == OURS else _bare(cloud, groups)
                    samples[who].append(seconds)
                    print(
                        f"  {number + 1}/{session.runs} {shape} {who}: {seconds:.2f}",
                        file=sys.stderr,
                        flush=True,
                    )
            rows.append(Row(what=f"`up -d`, {shape} services", samples=samples))
    return Result(
        scenario="zun",
        intent="Services `sleep` on OpenStack Zun, on a network that is there: five in four groups, each of "
        "which waits for the start of the one before, and twelve that wait for nobody. "
        f"{BARE} creates the same containers with as many calls in flight ({AT_ONCE}), starts them group by "
        "group, and looks at each every 0.1 s. Both are timed from the start of the program to its end.",
        rows=rows,
        bars=[
            Bar(what=f"{row.what}, ours / {BARE}", value=ratio(row, OURS, BARE), limit=1.1) for row in rows
        ],
    )


def _cloud() -> Settings:
    try:
        known = settings.load(settings.folder())
    except CloudError as error:
        raise Failed(str(error)) from error
    if known is None or not access.clouds_yaml(known).exists():
        raise Failed("there is no OpenStack of the tests here: make cloud-up")
    return known


@contextmanager
def _pointed_at(cloud: Settings) -> Iterator[None]:
    """Have all commands act as the cloud's tenant."""
    wanted = {"OS_CLIENT_CONFIG_FILE": str(access.clouds_yaml(cloud)), "OS_CLOUD": TENANT}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _stack(cloud: Settings, groups: Sequence[Sequence[str]]) -> Mapping[str, Any]:
    services: dict[str, Any] = {}
    for before, group in zip([[], *groups], groups, strict=False):
        for name in group:
            services[name] = {"image": registry.image(cloud, registry.BUSYBOX), "command": COMMAND}
            if before:
                services[name]["depends_on"] = needs(*before, condition="service_started")
    return {"services": services, "networks": {"default": {"external": True, "name": NETWORK}}}


def _ours(ours: Contender, file: Path) -> float:
    ours.clear(file)
    try:
        return ours.must(file, ["up", "-d"]).seconds
    finally:
        ours.clear(file)


def _bare(cloud: Settings, groups: Sequence[Sequence[str]]) -> float:
    """Run the bare script, and remove what it made."""
    from zun_compose import openstack

    with closing(openstack.connect(TENANT)) as conn:
        network = next(one.id for one in conn.network.networks(name=NETWORK))
        asked = [
            [
                {
                    "name": f"zcbench-bare-{name}",
                    "image": registry.image(cloud, registry.BUSYBOX),
                    "command": COMMAND,
                    "hostname": name,
                    "nets": [{"network": network}],
                }
                for name in group
            ]
            for group in groups
        ]
        try:
            return _timed(cloud, json.dumps({"groups": asked, "at_once": AT_ONCE}))
        finally:
            left = [one for one in conn.container.containers() if one.name.startswith("zcbench-bare-")]
            for one in left:
                conn.container.delete_container(one.id, stop=True)
            for one in left:
                conn.container.wait_for_delete(one, interval=0.2)


def _timed(cloud: Settings, asked: str) -> float:
    environment = {
        "PATH": os.environ["PATH"],
        "OS_AUTH_URL": cloud.url(Port.KEYSTONE) + "/v3",
        "OS_USERNAME": TENANT,
        "OS_PASSWORD": cloud.password,
        "OS_PROJECT_NAME": TENANT,
    }
    began = time.monotonic()
    ran = subprocess.run(
        [str(cloud.bin / "python"), "-W", "ignore", str(ROOT / "bench" / "bare_zun.py")],
        input=asked,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=environment,
        check=False,
    )
    seconds = time.monotonic() - began
    if ran.returncode != 0:
        raise Failed(f"{BARE}: exit {ran.returncode}: {ran.stderr.strip()[-400:]}")
    return seconds
