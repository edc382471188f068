"""MariaDB: one server, one database a service."""

from __future__ import annotations

from pathlib import Path

from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, found
from tests.cloud.settings import ADDRESS, Port, Settings

# The schemas of the last five have indexes that are too long for four bytes a character.
_DATABASES = {
    "heat": "utf8mb4",
    "keystone": "utf8mb4",
    "cinder": "utf8mb3",
    "glance": "utf8mb3",
    "neutron": "utf8mb3",
    "placement": "utf8mb3",
    "zun": "utf8mb3",
}


def execute(settings: Settings, processes: Processes, words: str) -> None:
    """Run SQL as root. Raises CloudError."""
    processes.run("sql", _client(settings), words=words)


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return its files, its server and its empty databases."""
    data = settings.state / "mariadb"
    line = _socket(settings)
    client = _client(settings)

    def initialise() -> None:
        # root comes in through the socket alone: the port asks for the service's password
        install = (found("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--user=root")
        access = ("--auth-root-authentication-method=socket", "--auth-root-socket-user=root")
        processes.run("mariadb-files", [*install, *access, "--skip-test-db"])

    def ready() -> bool:
        # the socket appears before the server would answer
        return line.exists() and processes.succeeds([*client, "--execute=SELECT 1"])

    def create() -> None:
        words = [
            f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET {letters};"
            for name, letters in _DATABASES.items()
        ]
        words.append(f"CREATE OR REPLACE USER 'openstack'@'{ADDRESS}' IDENTIFIED BY '{settings.password}';")
        words.append(f"GRANT ALL ON *.* TO 'openstack'@'{ADDRESS}';")
        processes.run("databases", client, words="\n".join(words))

    server = (
        found("mariadbd"),
        "--no-defaults",
        "--user=root",
        f"--datadir={data}",
        f"--socket={line}",
        f"--pid-file={settings.run}/mariadb.own",
        f"--bind-address={ADDRESS}",
        f"--port={settings.ports[Port.DATABASE]}",
        "--character-set-server=utf8mb4",
        "--max-connections=800",
        "--skip-log-bin",
        "--skip-name-resolve",
        "--transaction-isolation=READ-COMMITTED",
        # what a test writes need not survive a power cut, and nobody looks at statistics
        "--innodb-buffer-pool-size=96M",
        "--innodb-doublewrite=0",
        "--innodb-flush-log-at-trx-commit=0",
        "--performance-schema=OFF",
    )
    return [
        Task("mariadb-files", initialise),
        Process(
            "mariadb",
            server,
            ready,
            needs=("mariadb-files",),
            ports=(settings.ports[Port.DATABASE],),
            patience=60,
            grace=30,
        ),
        Task("databases", create, needs=("mariadb",)),
    ]


def _socket(settings: Settings) -> Path:
    return settings.run / "mariadb.sock"


def _client(settings: Settings) -> tuple[str, ...]:
    return (found("mariadb"), "--no-defaults", f"--socket={_socket(settings)}", "--user=root")
