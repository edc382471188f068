"""Keystone, and the users, projects, roles, services and endpoints that the other services need."""

from __future__ import annotations

import base64
import secrets
from typing import Any

from tests.cloud import configuration, rest
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, application
from tests.cloud.settings import REGION, Port, Settings

# Chosen beforehand, so that heat.conf can be written before Keystone runs.
HEAT_DOMAIN = "4ea7d0a1b2c34d5e8f90a1b2c3d4e5f6"
HEAT_ADMIN = "heat_domain_admin"
TENANT = "demo"
TENANT_ROLES = ("member", "heat_stack_owner")
_ROLES = ("admin", "service", "member", "reader", "heat_stack_owner", "heat_stack_user")
_INTERFACES = ("public", "internal", "admin")


def catalog(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return service -> its type and the URL of its endpoints; each has a user of its name."""
    return {
        "cinder": ("volumev3", settings.url(Port.CINDER) + "/v3/%(tenant_id)s"),
        "glance": ("image", settings.url(Port.GLANCE)),
        "heat": ("orchestration", settings.url(Port.HEAT) + "/v1/%(tenant_id)s"),
        "neutron": ("network", settings.url(Port.NEUTRON)),
        "placement": ("placement", settings.url(Port.PLACEMENT)),
        "zun": ("container", settings.url(Port.ZUN) + "/v1"),
    }


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return Keystone's schema, keys, server and objects."""
    place = settings.etc / "keystone"
    keys = place / "fernet-keys"
    file = configuration.ini(
        place / "keystone.conf",
        {
            "DEFAULT": {"use_stderr": True},
            "database": {"connection": configuration.database_url(settings, "keystone")},
            "token": {"provider": "fernet", "expiration": 86400},
            # hashes as weak as bcrypt can be: a login takes 20 ms, not 250
            "identity": {"password_hash_rounds": 4, "max_password_length": 72},
            "fernet_tokens": {"key_repository": keys},
            # left out, it is looked for below /etc
            "fernet_receipts": {"key_repository": keys},
            "credential": {"key_repository": place / "credential-keys"},
            # in the process's own memory, which serves as long as there is one process
            "cache": {"enabled": True, "backend": "oslo_cache.dict"},
        },
    )
    manage = (str(settings.bin / "keystone-manage"), "--config-file", str(file))

    def make_keys() -> None:
        # what `fernet_setup` and `credential_setup` would write after four seconds of imports each
        for name in ("fernet-keys", "credential-keys"):
            for number in ("0", "1"):
                configuration.write(
                    place / name / number, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
                )

    def bootstrap() -> None:
        url = settings.url(Port.KEYSTONE) + "/v3"
        urls = [option for kind in _INTERFACES for option in (f"--bootstrap-{kind}-url", url)]
        processes.run(
            "keystone-bootstrap",
            [*manage, "bootstrap", "--bootstrap-region-id", REGION, *urls],
            # on the command line every user of this machine could read it
            environment={"OS_BOOTSTRAP_PASSWORD": settings.password},
        )

    return [
        Task("keystone-keys", make_keys),
        Task(
            "keystone-schema",
            lambda: processes.run("keystone-schema", [*manage, "db_sync"]),
            needs=("databases",),
        ),
        Task(
            "keystone-bootstrap",
            bootstrap,
            needs=("keystone-schema", "keystone-keys"),
            key=settings.url(Port.KEYSTONE),
        ),
        application(
            settings,
            "keystone",
            Port.KEYSTONE,
            "keystone.wsgi.api",
            environment={"OS_KEYSTONE_CONFIG_FILES": str(file)},
            needs=("keystone-schema", "keystone-keys", "mariadb"),
            files=(file,),
        ),
        Task(
            "keystone-objects",
            lambda: _Objects(settings).make(),
            needs=("keystone", "keystone-bootstrap"),
            key=repr(catalog(settings)),
        ),
    ]


class _Objects:
    """Makes what is missing, through the API as the administrator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session = rest.Session(settings)
        self._roles = self._known("roles")
        self._users = self._known("users?domain_id=default")
        self._projects = self._known("projects?domain_id=default")

    def make(self) -> None:
        for role in _ROLES:
            self._roles.get(role) or self._create("role", self._roles, name=role)
        for user in (*catalog(self._settings), "kuryr"):
            for role in ("admin", "service"):
                self._grant("service", user, role)
        for role in TENANT_ROLES:
            self._grant(TENANT, TENANT, role)
        self._grant("admin", "admin", "heat_stack_owner")
        self._endpoints()
        self._heat_domain()

    def _endpoints(self) -> None:
        services = {one["type"]: one["id"] for one in self._get("services")}
        there = {(one["service_id"], one["interface"]): one for one in self._get("endpoints")}
        for name, (kind, url) in catalog(self._settings).items():
            service = services.get(kind) or self._post("service", name=name, type=kind)["id"]
            for interface in _INTERFACES:
                known = there.get((service, interface))
                wanted = {"service_id": service, "interface": interface, "region_id": REGION, "url": url}
                if known is None:
                    self._post("endpoint", **wanted)
                elif known["url"] != url:
                    path = f"/v3/endpoints/{known['id']}"
                    self._session.ask(Port.KEYSTONE, "PATCH", path, {"endpoint": {"url": url}})

    def _heat_domain(self) -> None:
        if self._session.send(Port.KEYSTONE, "GET", f"/v3/domains/{HEAT_DOMAIN}").status == 404:
            self._post("domain", name="heat", explicit_domain_id=HEAT_DOMAIN)
        users = self._known(f"users?domain_id={HEAT_DOMAIN}")
        admin = users.get(HEAT_ADMIN) or self._create("user", users, name=HEAT_ADMIN, domain_id=HEAT_DOMAIN)
        self._put(f"domains/{HEAT_DOMAIN}/users/{admin}/roles/{self._roles['admin']}")

    def _grant(self, project: str, user: str, role: str) -> None:
        where = self._projects.get(project) or self._create(
            "project", self._projects, name=project, domain_id="default"
        )
        who = self._users.get(user) or self._create("user", self._users, name=user, domain_id="default")
        self._put(f"projects/{where}/users/{who}/roles/{self._roles[role]}")

    def _create(self, kind: str, known: dict[str, str], **wanted: str) -> str:
        secret = {"password": self._settings.password} if kind == "user" else {}
        made: str = self._post(kind, **wanted, **secret)["id"]
        known[wanted["name"]] = made
        return made

    def _known(self, path: str) -> dict[str, str]:
        return {one["name"]: one["id"] for one in self._get(path)}

    def _get(self, path: str) -> list[dict[str, Any]]:
        body = self._session.ask(Port.KEYSTONE, "GET", f"/v3/{path}")
        listed: list[dict[str, Any]] = body[path.partition("?")[0]]
        return listed

    def _post(self, kind: str, **wanted: str) -> dict[str, Any]:
        body = self._session.ask(Port.KEYSTONE, "POST", f"/v3/{kind}s", {kind: wanted})
        made: dict[str, Any] = body[kind]
        return made

    def _put(self, path: str) -> None:
        self._session.ask(Port.KEYSTONE, "PUT", f"/v3/{path}")
