"""A tenant of a test's own: what its project has is what the test's stacks have made, and nothing else."""

from __future__ import annotations

import json
import secrets
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from tests.cloud.fixture import Cloud
from tests.cloud.keystone import TENANT_ROLES
from tests.openstack.conftest import Zun, until
from zun_compose import openstack
from zun_compose.openstack.connection import Connection

# What the openstack program is asked to list.
KINDS = ("appcontainer", "network", "port", "router", "floating ip", "security group", "volume")


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """An ordinary user with a project; `clouds_yaml` names its cloud by its own name."""

    name: str
    clouds_yaml: Path
    programs: Path
    conn: Connection

    def environment(self) -> dict[str, str]:
        """Return what makes zun-compose and the openstack program act for it."""
        return {"OS_CLIENT_CONFIG_FILE": str(self.clouds_yaml), "OS_CLOUD": self.name}

    def cli(self, *commands: str) -> list[Any]:
        """Return what the openstack program answers to commands, each as JSON; it is started once."""
        asked = "".join(f"{command} -f json\n" for command in commands)
        said = subprocess.run(
            [str(self.programs / "openstack")],
            input=asked,
            capture_output=True,
            text=True,
            timeout=120,
            # what reads its commands from a pipe ends with 1, however they went
            check=False,
            env=self.environment(),
        )
        answers, rest, decoder = [], said.stdout.lstrip(), json.JSONDecoder()
        while rest:
            answer, end = decoder.raw_decode(rest)
            answers.append(answer)
            rest = rest[end:].lstrip()
        assert len(answers) == len(commands), said.stderr
        return answers

    def lists(self) -> Mapping[str, list[dict[str, Any]]]:
        """Return all that the openstack program lists, by kind."""
        return dict(zip(KINDS, self.cli(*(f"{kind} list" for kind in KINDS)), strict=True))

    def holds(self) -> dict[str, list[str]]:
        """Return the names of what its project has, by kind, asked of the services themselves."""
        project = self.conn.current_project_id
        network = self.conn.network
        found = {
            "containers": [str(one.name) for one in self.conn.container.containers()],
            "networks": [str(one.name) for one in network.networks(project_id=project)],
            "ports": [str(one.id) for one in network.ports(project_id=project)],
            "routers": [str(one.name) for one in network.routers(project_id=project)],
            "addresses": [str(one.id) for one in network.ips(project_id=project)],
            "groups": [
                str(one.name) for one in network.security_groups(project_id=project) if one.name != "default"
            ],
            "volumes": [str(one.name) for one in self.conn.block_storage.volumes()],
        }
        return {kind: sorted(names) for kind, names in found.items() if names}


@contextmanager
def tenancy(cloud: Cloud, admin: Zun, folder: Path) -> Iterator[Tenant]:
    """Have a tenant; afterwards it must have nothing left, and is gone."""
    name, password = f"zct-{uuid.uuid4().hex[:8]}", secrets.token_hex(16)
    identity: Any = admin.conn.identity
    project = identity.create_project(name=name, domain_id="default")
    user = identity.create_user(
        name=name, password=password, default_project_id=project.id, domain_id="default"
    )
    try:
        for role in TENANT_ROLES:
            identity.assign_project_role_to_user(project, user, identity.find_role(role))
        known = json.loads(cloud.clouds_yaml.read_text())["clouds"]["demo"]
        known["auth"] |= {"username": name, "password": password, "project_name": name}
        file = folder / "clouds.yaml"
        file.write_text(json.dumps({"clouds": {name: known}}))
        file.chmod(0o600)
        with closing(_connected(known["auth"])) as conn:
            # Neutron makes a project's default group when it is first asked for groups
            list(conn.network.security_groups())
            tenant = Tenant(name=name, clouds_yaml=file, programs=cloud.programs, conn=conn)
            yield tenant
            until(lambda: not tenant.holds(), wait=60)
    finally:
        _removed(admin, project, user)


def _connected(auth: Mapping[str, Any]) -> Connection:
    return openstack.connect(session=Session(Password(**auth), timeout=60.0))


def _removed(admin: Zun, project: Any, user: Any) -> None:
    for group in admin.conn.network.security_groups(project_id=project.id):
        admin.conn.network.delete_security_group(group.id, ignore_missing=True)
    identity: Any = admin.conn.identity
    identity.delete_user(user)
    identity.delete_project(project)
