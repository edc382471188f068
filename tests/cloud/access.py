"""What users of the cloud need, the administrator and an ordinary tenant: openrc and clouds.yaml."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cloud import configuration, keystone
from tests.cloud.settings import REGION, Port, Settings

USERS = {"admin": "openrc", keystone.TENANT: f"openrc-{keystone.TENANT}"}


def clouds_yaml(settings: Settings) -> Path:
    """Return the file with the clouds "admin" and "demo"."""
    return settings.folder / "clouds.yaml"


def write(settings: Settings) -> None:
    """Write clouds.yaml and one openrc a user, each named as its project."""
    url = settings.url(Port.KEYSTONE) + "/v3"
    clouds = {}
    for user, name in USERS.items():
        who = {
            "auth_url": url,
            "username": user,
            "password": settings.password,
            "project_name": user,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        clouds[user] = {
            "auth_type": "password",
            "auth": who,
            "region_name": REGION,
            "identity_api_version": 3,
            "interface": "public",
        }
        words = {f"OS_{key.upper()}": value for key, value in who.items()}
        words |= {
            "OS_AUTH_TYPE": "password",
            "OS_IDENTITY_API_VERSION": "3",
            "OS_INTERFACE": "public",
            "OS_REGION_NAME": REGION,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
        # what another openrc left would be mixed with this; any shell reads it
        known = "$(env | sed -n 's/^\\(OS_[A-Z_]*\\)=.*/\\1/p')"
        head = f"for os_name in {known}; do unset $os_name; done; unset os_name\n"
        text = head + "".join(f"export {key}={value}\n" for key, value in sorted(words.items()))
        configuration.write(settings.folder / name, text)
    # JSON is YAML too
    configuration.write(clouds_yaml(settings), json.dumps({"clouds": clouds}, indent=1) + "\n")
