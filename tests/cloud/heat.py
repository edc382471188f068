"""Heat: API and engine. Its plug-in folders can be changed while the rest of the cloud stays as it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.cloud import amqp, configuration, keystone, rest
from tests.cloud.errors import CloudError
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, application, server
from tests.cloud.settings import ADDRESS, REGION, Port, Settings

API = "heat-api"
ENGINE = "heat-engine"
# what the plug-ins change: these two start anew, nothing else
RELOADED = (API, ENGINE)
# Heat's own port for signals, which stays unserved
_CLOUDFORMATION = 8000


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return its schema, its two processes, and that a call gets through both."""
    place = settings.etc / "heat"
    file = _configuration(settings)
    options = ("--config-file", str(file))
    manage = (str(settings.bin / "heat-manage"), *options, "db_sync")
    stored = ("heat-schema", "mariadb", "rabbit")
    session = rest.Session(settings)

    def answers() -> bool:
        # the engine, not the API, knows its own build
        try:
            return session.send(Port.HEAT, "GET", "/v1/%p/build_info").status == 200
        except (OSError, CloudError):
            return False

    engine = server(
        settings,
        ENGINE,
        (file,),
        needs=stored,
        ready=lambda: amqp.consumed(
            settings.ports[Port.RABBIT], settings.password, "engine", "engine.localhost", "engine_worker"
        ),
    )
    api = application(
        settings,
        API,
        Port.HEAT,
        "heat.wsgi.api",
        arguments=options,
        needs=stored,
        files=(file, place / "api-paste.ini"),
    )
    return [
        Task("heat-schema", lambda: processes.run("heat-schema", manage), needs=("databases",)),
        engine,
        api,
        Task(
            "heat",
            lambda: processes.wait(engine._replace(ready=answers)),
            needs=(API, ENGINE, "keystone", "keystone-objects"),
            done=answers,
        ),
    ]


def _configuration(settings: Settings) -> Path:
    place = settings.etc / "heat"
    shipped = settings.venv / "etc" / "heat"
    for folder in ("environment.d", "templates"):
        if not (place / folder).exists():
            shutil.copytree(shipped / folder, place / folder)
    paste = configuration.adapted(settings, "heat", "api-paste.ini")
    plugins = ",".join(settings.heat_plugins)
    return configuration.ini(
        place / "heat.conf",
        {
            "DEFAULT": {
                "use_stderr": True,
                "host": "localhost",
                "transport_url": configuration.queue_url(settings),
                "plugin_dirs": plugins,
                "environment_dir": place / "environment.d",
                "template_dir": place / "templates",
                "auth_encryption_key": _encryption_key(settings),
                "region_name_for_services": REGION,
                "num_engine_workers": 1,
                "executor_thread_pool_size": 32,
                "max_stacks_per_tenant": 10000,
                "stack_user_domain_id": keystone.HEAT_DOMAIN,
                "stack_domain_admin": keystone.HEAT_ADMIN,
                "stack_domain_admin_password": settings.password,
                "heat_metadata_server_url": f"http://{ADDRESS}:{_CLOUDFORMATION}",
                "heat_waitcondition_server_url": f"http://{ADDRESS}:{_CLOUDFORMATION}/v1/waitcondition",
            },
            "clients_keystone": {"auth_uri": settings.url(Port.KEYSTONE)},
            "database": configuration.database(settings, "heat"),
            "keystone_authtoken": configuration.token_check(settings, "heat"),
            "paste_deploy": {"api_paste_config": paste},
            "trustee": {
                "auth_type": "password",
                "auth_url": settings.url(Port.KEYSTONE),
                "username": "heat",
                "password": settings.password,
                "user_domain_id": "default",
            },
            **configuration.messaging(settings),
        },
    )


def _encryption_key(settings: Settings) -> str:
    """Return the key that Heat hides parameters with: 32 characters that stay the same."""
    file = settings.etc / "heat" / "encryption-key"
    if not file.exists():
        configuration.write(file, os.urandom(16).hex())
    return file.read_text()
