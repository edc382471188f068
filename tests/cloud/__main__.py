"""The command: `python3 -m tests.cloud up`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.cloud import access, assembly, heat, packages, settings, wipe
from tests.cloud.assembly import MEBIBYTE, require_root, say
from tests.cloud.errors import CloudError
from tests.cloud.settings import Port, Settings


def main() -> int:
    """Do what the arguments say; returns the exit code."""
    arguments = _parser().parse_args()
    try:
        result: int = arguments.do(arguments)
    except (CloudError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what was started stays: up goes on from there, down stops it\n")
        return 130
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.cloud",
        description="A real OpenStack on this machine, for tests. ZUN_COMPOSE_CLOUD names its folder, "
        f"{settings.DEFAULT_FOLDER} by default; ZUN_COMPOSE_CLOUD_VENV a virtual environment to use.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("up", help="install, start and set up whatever is not")
    command.add_argument(
        "--port", action="append", default=[], metavar="NAME=NUMBER", help=f"one of {', '.join(Port)}"
    )
    command.add_argument("--network", help="the containers' network, at the first up alone")
    command.add_argument("--heat-plugins", metavar="DIR[,DIR]", help="folders of Heat plug-ins")
    command.add_argument(
        "--routing", action="store_true", help="start the L3 agent too: floating IPs then carry packets"
    )
    command.set_defaults(do=_up)

    command = commands.add_parser("down", help="stop all processes, or those named; the state stays")
    command.add_argument("names", nargs="*", metavar="PROCESS")
    command.set_defaults(do=_down)

    command = commands.add_parser(
        "status", help="pid, memory and ports of each process; exits 1 if one is down"
    )
    command.set_defaults(do=_status)

    command = commands.add_parser("reload", help="start Heat anew, with other plug-ins if they are given")
    command.add_argument("--heat-plugins", metavar="DIR[,DIR]")
    command.set_defaults(do=_reload)

    command = commands.add_parser("wipe", help="stop the cloud and remove everything of it")
    command.add_argument("--keep-venv", action="store_true", help="the next up then needs no packages")
    command.set_defaults(do=_wipe)

    command = commands.add_parser("openrc", help="print where the openrc files and clouds.yaml are")
    command.set_defaults(do=_openrc)

    command = commands.add_parser("packages", help="install the distribution's packages that are missing")
    command.set_defaults(do=_packages)

    command = commands.add_parser(
        "lock", help="resolve tests/cloud/constraints.txt anew (not as root's need)"
    )
    command.set_defaults(do=_lock)
    return parser


def _up(arguments: argparse.Namespace) -> int:
    require_root()
    place = settings.folder()
    with settings.locked(place):
        cloud = _asked(settings.load(place), place, arguments)
        settings.save(cloud)
        assembly.up(cloud._replace(routing=arguments.routing))
    say(f"openrc: {place}/openrc   clouds.yaml: {access.clouds_yaml(cloud)}   programs: {cloud.bin}")
    return 0


def _asked(known: Settings | None, place: Path, arguments: argparse.Namespace) -> Settings:
    cloud = known or settings.fresh(place)
    ports = dict(cloud.ports)
    for entry in arguments.port:
        name, _, number = entry.partition("=")
        if name not in list(Port) or not number.isdigit() or not 0 < int(number) < 1 << 16:
            raise CloudError(f'--port takes NAME=NUMBER, not "{entry}"; names are {", ".join(Port)}')
        ports[Port(name)] = int(number)
    if known and arguments.network and arguments.network != known.network:
        raise CloudError(f'the containers\' network is "{known.network}" until a wipe')
    return _with_plugins(cloud, arguments)._replace(ports=ports, network=arguments.network or cloud.network)


def _with_plugins(cloud: Settings, arguments: argparse.Namespace) -> Settings:
    if arguments.heat_plugins is None:
        return cloud
    folders = [Path(name).absolute() for name in arguments.heat_plugins.split(",") if name]
    for folder in folders:
        if not folder.is_dir():
            raise CloudError(f'no folder "{folder}" for Heat plug-ins')
    return cloud._replace(heat_plugins=tuple(str(folder) for folder in folders))


def _down(arguments: argparse.Namespace) -> int:
    require_root()
    place = settings.folder()
    if settings.load(place) is None:
        say("there is no cloud")
        return 0
    with settings.locked(place):
        cloud = settings.load(place)
        if cloud is not None:
            assembly.down(cloud, arguments.names)
    return 0


def _status(_: argparse.Namespace) -> int:
    require_root()
    cloud = settings.load(settings.folder())
    lines = assembly.status(cloud) if cloud else []
    for line in lines:
        where = " ".join(f"{settings.ADDRESS}:{port}" for port in line.ports)
        stands = f"up    pid {line.pid:<7} {line.memory / MEBIBYTE:6.0f} MiB" if line.up else "DOWN"
        say(f"{line.name:18} {stands}  {where}".rstrip())
    say(
        f"PSS of all: {sum(line.memory for line in lines) / MEBIBYTE:.0f} MiB"
        if lines
        else "the cloud is down"
    )
    return 0 if lines and all(line.up for line in lines) else 1


def _reload(arguments: argparse.Namespace) -> int:
    require_root()
    place = settings.folder()
    with settings.locked(place):
        known = settings.load(place)
        if known is None:
            raise CloudError("there is no cloud to reload: run up")
        cloud = _with_plugins(known, arguments)
        settings.save(cloud)
        assembly.up(cloud, fresh=heat.RELOADED)
    return 0


def _wipe(arguments: argparse.Namespace) -> int:
    require_root()
    place = settings.folder()
    if not place.exists():
        return 0
    with settings.locked(place):
        cloud = settings.load(place)
        # with its settings lost, a cloud is still found by its defaults
        wipe.wipe(cloud or settings.fresh(place), keep_venv=arguments.keep_venv)
    return 0


def _openrc(_: argparse.Namespace) -> int:
    cloud = settings.load(settings.folder())
    if cloud is None:
        raise CloudError("there is no cloud: run up")
    for name in access.USERS.values():
        say(f". {cloud.folder / name}")
    say(f"export OS_CLIENT_CONFIG_FILE={access.clouds_yaml(cloud)} PATH={cloud.bin}:$PATH")
    return 0


def _packages(_: argparse.Namespace) -> int:
    require_root()
    lacking = assembly.missing_packages(settings.load(settings.folder()))
    if lacking:
        say(packages.apt_line(lacking))
        packages.install(lacking, Path("/dev/null"))
    return 0


def _lock(_: argparse.Namespace) -> int:
    say(f"{packages.lock()} pins")
    return 0


if __name__ == "__main__":
    sys.exit(main())
