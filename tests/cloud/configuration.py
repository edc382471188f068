"""Configuration files of OpenStack services, and the sections that they share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.cloud.settings import ADDRESS, REGION, Port, Settings

Section = Mapping[str, object]


def write(file: Path, text: str) -> Path:
    """Write a file that root alone may read, unless it holds the text already; returns it."""
    if not file.exists() or file.read_text() != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(text)
    return file


def ini(file: Path, sections: Mapping[str, Section]) -> Path:
    """Write an oslo.config file; returns it. Booleans are written as oslo spells them."""
    lines: list[str] = []
    for name, section in sections.items():
        lines.append(f"[{name}]")
        lines.extend(f"{key} = {_spelled(value)}" for key, value in section.items())
    return write(file, "\n".join(lines) + "\n")


def adapted(settings: Settings, service: str, name: str) -> Path:
    """Copy a file that the service's wheel ships, its paths below /etc/SERVICE led to ours; returns it."""
    shipped = (settings.venv / "etc" / service / name).read_text()
    place = settings.etc / service
    return write(place / name, shipped.replace(f"/etc/{service}/", f"{place}/"))


def database_url(settings: Settings, name: str) -> str:
    """Return where SQLAlchemy finds a service's database."""
    where = f"openstack:{settings.password}@{ADDRESS}:{settings.ports[Port.DATABASE]}"
    return f"mysql+pymysql://{where}/{name}?charset=utf8mb4"


def database(settings: Settings, name: str) -> Section:
    """Return the section that names a service's database; pools are small, for many share one server."""
    return {"connection": database_url(settings, name), "max_pool_size": 5}


def queue_url(settings: Settings) -> str:
    """Return where oslo.messaging finds RabbitMQ."""
    return f"rabbit://openstack:{settings.password}@{ADDRESS}:{settings.ports[Port.RABBIT]}/"


def login(settings: Settings, user: str) -> Section:
    """Return how a service logs in as the user of its name."""
    return {
        "auth_type": "password",
        "auth_url": settings.url(Port.KEYSTONE),
        "username": user,
        "password": settings.password,
        "user_domain_name": "Default",
        "project_name": "service",
        "project_domain_name": "Default",
        "region_name": REGION,
    }


def token_check(settings: Settings, user: str) -> Section:
    """Return how a service verifies the tokens of its callers."""
    return {
        **login(settings, user),
        "www_authenticate_uri": settings.url(Port.KEYSTONE),
        "service_token_roles_required": False,
    }


def messaging(settings: Settings) -> Mapping[str, Section]:
    """Return the sections of oslo's queues, notifications and locks; one node needs no quorum."""
    return {
        "oslo_messaging_rabbit": {"rabbit_quorum_queue": False},
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_concurrency": {"lock_path": settings.state / "lock"},
    }


def privileged(settings: Settings, file: Path | None, *sections: str) -> Mapping[str, Section]:
    """Return the sections that start privsep helpers without sudo, for the cloud is root already."""
    command = f"{settings.bin}/privsep-helper" + (f" --config-file {file}" if file else "")
    return {section: {"helper_command": command} for section in sections}


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
