"""OpenStack Zun: what `up` takes beside a bare script of python-zunclient that makes the same containers.

The same in all that Zun is told of them: command, host name, labels, hosts file, security group. What they
are is read from those that zun-compose made; the group is there before the script begins, as the client makes
none.

Needs the OpenStack of the tests, which has to be up, and its virtual environment, which has python-zunclient.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.contenders import OURS, ROOT, Contender, Failed
from bench.floor import AT_ONCE
from bench.results import Bar, Result, Row, ratio
from bench.session import Session, needs
from tests.cloud import access, registry, settings
from tests.cloud.errors import CloudError
from tests.cloud.keystone import TENANT
from tests.cloud.settings import Port, Settings
from zun_compose.drivers.zun import hosts
from zun_compose.labels import PROJECT, SERVICE, belongs

BARE = "python-zunclient"
PREFIX = "zcbench-bare-"
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
            with _same(ours, file, groups) as asked:
                for number in range(session.runs):
                    for who in (OURS, BARE) if number % 2 == 0 else (BARE, OURS):
                        seconds = _ours(ours, file) if who == OURS else _bare(cloud, asked)
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
        f"{BARE} creates the same containers (labels, hosts file and security group as ours; the group is "
        f"there before) with as many calls in flight ({AT_ONCE}), starts them group by group, and looks at "
        "each every 0.1 s. Both are timed from the start of the program to its end.",
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


@contextmanager
def _same(ours: Contender, file: Path, groups: Sequence[Sequence[str]]) -> Iterator[list[list[Any]]]:
    """Have zun-compose make the containers once, untimed, and yield what to ask Zun for to get such ones."""
    from zun_compose import openstack

    with ExitStack() as kept, closing(openstack.connect(TENANT)) as conn:
        folder = Path(kept.enter_context(TemporaryDirectory(prefix="zcbench-")))
        stack = ours.stack(file.parent.name)
        network = next(one.id for one in conn.network.networks(name=NETWORK))
        ours.clear(file)
        try:
            ours.must(file, ["up", "-d"])
            listed = [one for one in conn.container.containers() if belongs(one.labels or {}, stack)]
            made = {one.labels[SERVICE]: conn.container.get_container(one.id) for one in listed}
            used = sorted({group for one in made.values() for group in one.security_groups})
            twins = {group: _twin(conn, group, kept) for group in used}

            def asked(name: str) -> dict[str, Any]:
                one = made[name]
                copy = folder / name
                copy.write_bytes(_content(conn.container.get_container_archive(one.id, hosts.PATH).data))
                return {
                    "name": f"{PREFIX}{name}",
                    "image": one.image,
                    "command": one.command,
                    "hostname": one.hostname,
                    # none of these is one of the stack's: `down` would take it away
                    "labels": {**one.labels, PROJECT: f"{stack}-bare"},
                    "mounts": [{"type": "bind", "source": str(copy), "destination": hosts.PATH}],
                    "security_groups": [twins[group] for group in one.security_groups],
                    "nets": [{"network": network}],
                }

            wanted = [[asked(name) for name in group] for group in groups]
        finally:
            ours.clear(file)
        yield wanted


def _twin(conn: Any, group: str, kept: ExitStack) -> str:
    """Make a security group with the rules of another, until the end; returns its id."""
    made = conn.network.create_security_group(name=f"{PREFIX}{group}")
    kept.callback(conn.network.delete_security_group, made.id)
    for rule in conn.network.security_group_rules(security_group_id=group, direction="ingress"):
        conn.network.create_security_group_rule(
            security_group_id=made.id,
            direction="ingress",
            ether_type=rule.ether_type,
            protocol=rule.protocol,
            port_range_min=rule.port_range_min,
            port_range_max=rule.port_range_max,
            remote_ip_prefix=rule.remote_ip_prefix,
            remote_group_id=made.id if rule.remote_group_id == group else rule.remote_group_id,
        )
    return str(made.id)


def _content(archive: bytes) -> bytes:
    """Return the only file of an archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        (member,) = opened.getmembers()
        found = opened.extractfile(member)
        assert found is not None
        return found.read()


def _bare(cloud: Settings, asked: Sequence[Sequence[Any]]) -> float:
    """Run the bare script, and remove what it made."""
    from zun_compose import openstack

    with closing(openstack.connect(TENANT)) as conn:
        try:
            return _timed(cloud, json.dumps({"groups": asked, "at_once": AT_ONCE}))
        finally:
            left = [one for one in conn.container.containers() if one.name.startswith(PREFIX)]
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
