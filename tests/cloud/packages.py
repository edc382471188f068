"""What has to be installed beforehand: the distribution's packages and one virtual environment."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.cloud.errors import CloudError
from tests.cloud.settings import Settings
from tests.engines import busybox

HERE = Path(__file__).parent
CONSTRAINTS = HERE / "constraints.txt"
REQUIREMENTS = HERE / "requirements.txt"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RABBIT = "/usr/lib/rabbitmq/bin/rabbitmq-server"
POLICY = Path("/usr/sbin/policy-rc.d")

# program -> the package of Debian and Ubuntu that brings it
_PROGRAMS = {
    RABBIT: "rabbitmq-server",
    "docker-registry": "docker-registry",
    "ip": "iproute2",
    "losetup": "mount",
    # zun-compute takes stock of the machine by these two
    "lspci": "pciutils",
    "numactl": "numactl",
    "mariadbd": "mariadb-server",
    "mkfs.ext4": "e2fsprogs",
    "ovs-vswitchd": "openvswitch-switch",
}
_ENGINE = {"dockerd": "docker.io", "iptables": "iptables"}


def missing(*, engine: bool, venv: bool) -> list[str]:
    """Return the packages that are not there; `engine`: Docker is wanted too; `venv`: one can be made."""
    programs = {**_PROGRAMS, **(_ENGINE if engine else {})}
    needed = [package for program, package in programs.items() if shutil.which(program, path=PATH) is None]
    try:
        busybox.program()
    except LookupError:
        needed.append("busybox-static")
    if venv and not _can_make_venv():
        needed.append("python3-venv")
    return sorted(needed)


def apt_line(packages: list[str]) -> str:
    """Return what to type to install them."""
    return "apt-get install --no-install-recommends " + " ".join(packages)


def install(packages: list[str], log: Path) -> None:
    """Install them by apt, starting no daemon of theirs. Raises CloudError naming the line to type."""
    if shutil.which("apt-get") is None:
        raise CloudError(f"packages are missing and there is no apt-get here: {apt_line(packages)}")
    command = [
        "apt-get",
        "install",
        "-y",
        "-o",
        "DPkg::Lock::Timeout=300",
        "--no-install-recommends",
        *packages,
    ]
    with _no_daemons(), log.open("wb") as output:
        # package lists are mostly there and fresh enough; to fetch them takes longer than to try
        for attempt in (command, ["apt-get", "update"], command):
            code = subprocess.run(
                attempt,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                timeout=900,
                check=False,
            ).returncode
            if attempt is command and code == 0:
                return
    raise CloudError(f"apt failed ({log}); try by hand: {apt_line(packages)}")


def venv_key(settings: Settings) -> str:
    """Return what the virtual environment was made of, to know whether it still fits."""
    digest = hashlib.sha256(str(settings.venv).encode())
    for file in (REQUIREMENTS, CONSTRAINTS):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def make_venv(settings: Settings, log: Path) -> None:
    """Make the virtual environment, or complete it. Raises CloudError."""
    python = settings.bin / "python"
    commands = [] if python.exists() else [[sys.executable, "-m", "venv", str(settings.venv)]]
    commands.append([str(python), "-m", "pip", "install", *_pip_arguments(), "-c", str(CONSTRAINTS)])
    # the caller's own settings of pip hold: only they know how to reach packages from here
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with log.open("wb") as output:
        for command in commands:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                timeout=1800,
                check=False,
            ).returncode
            if code != 0:
                end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise CloudError(f'"{" ".join(command[:5])}" failed, the end of {log}:\n{end}')


def lock() -> int:
    """Write constraints.txt anew from what pip resolves; returns how many pins. Raises CloudError."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        # --ignore-installed: what happens to be installed here has no say
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
        code = subprocess.run([*command, "--report", str(report), *_pip_arguments()], check=False).returncode
        if code != 0:
            raise CloudError("pip cannot resolve requirements.txt")
        found = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
    pins = sorted((f"{one['name']}=={one['version']}" for one in found), key=str.lower)
    head = "# Made of requirements.txt by `python3 -m tests.cloud lock`: what the virtual environment holds."
    CONSTRAINTS.write_text("\n".join([head, *pins]) + "\n")
    return len(pins)


def _pip_arguments() -> list[str]:
    return ["-q", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]


def _can_make_venv() -> bool:
    check = [sys.executable, "-c", "import ensurepip, venv"]
    return subprocess.run(check, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def _no_daemons() -> Iterator[None]:
    """Keep packages from starting their servers: they would take the cloud's memory and ports."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
