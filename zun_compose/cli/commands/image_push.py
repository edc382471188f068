"""image push: an image of the local store, of Docker or of a file goes to Glance, where Zun takes it from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING

import click

from zun_compose.cli.invocation import Invocation
from zun_compose.errors import DriverError, Rejected, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zun_compose.driver import PullProgress
    from zun_compose.drivers.local.images.manifests import Found
    from zun_compose.drivers.local.images.store import ImageStore

_STEP = 10
"""Percent of an upload between two lines of progress."""


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--to", type=click.Choice(["glance"]), required=True, help="Where to: OpenStack's image store")
@click.option(
    "--from",
    "origin",
    type=click.Choice(["auto", "archive", "local", "docker"]),
    default="auto",
    help="Where SOURCE is [default: a file of that name, else in the local store, else in Docker]",
)
@click.option("--name", metavar="NAME", help="Its name there [default: its name here, without :latest]")
@click.option("--replace", is_flag=True, help="In the place of one of yours that has the name")
@click.option(
    "--platform", metavar="OS/ARCH", help="Which of several in an archive [default: that of this machine]"
)
@click.pass_obj
def push(
    call: Invocation,
    /,
    sources: tuple[str, ...],
    to: str,
    origin: str,
    name: str | None,
    replace: bool,
    platform: str | None,
) -> None:
    """Bring images to Glance, so that `image: glance://NAME` runs them on Zun; prints names and ids.

    SOURCE is the name of an image, or a file that docker save wrote or an OCI layout. The cloud is that of
    OS_CLOUD, or with --driver zun --host NAME another. Zun takes whole archives: layers are not shared there.
    """
    if name is not None and len(sources) > 1:
        raise UsageError(f"{len(sources)} images cannot all have the name {name}")
    for source in sources:
        _push(call, source, origin, name, replace=replace, platform=platform)


def _push(
    call: Invocation, source: str, origin: str, name: str | None, *, replace: bool, platform: str | None
) -> None:
    from zun_compose.drivers import zun
    from zun_compose.drivers.zun.cloud import Cloud
    from zun_compose.drivers.zun.upload import upload

    settings = call.settings
    with TemporaryDirectory(prefix="zun-compose-") as folder:
        archive = Path(folder) / "image.tar"
        with archive.open("w+b") as target:
            here, digest = _written(call, source, origin, target, Path(folder), platform)
        called = name or here
        cloud_name = settings.host if settings.driver == "zun" else None
        zun.connect(cloud_name)
        with closing(Cloud(cloud_name)) as cloud:
            image = upload(cloud, archive, called, replace=replace, digest=digest, progress=_teller(call))
    click.echo(f"{called} {image}")


def _teller(call: Invocation) -> Callable[[PullProgress], None]:
    told = -_STEP

    def tell(progress: PullProgress) -> None:
        nonlocal told
        percent = 100 * progress.current // max(1, progress.total)
        if percent >= told + _STEP:
            told = percent - percent % _STEP
            call.say(f"{progress.image}: pushed {percent} % of {progress.total} bytes")

    return tell


def _written(
    call: Invocation, source: str, origin: str, target: IO[bytes], scratch: Path, platform: str | None
) -> tuple[str, str]:
    """Write the image as Zun takes it; returns its name and the digest of its configuration."""
    from zun_compose.cli.commands.image import store_of

    if origin == "archive" or (origin == "auto" and Path(source).exists()):
        return _of_archive(Path(source), target, scratch, platform)
    store: ImageStore = store_of(call)
    if origin == "local" or (origin == "auto" and store.resolve(source) is not None):
        image = store.save(source, target)
        # by its id it has no name, else the one that it was asked for by
        unnamed = image.id.removeprefix("sha256:").startswith(source.removeprefix("sha256:"))
        return _plain(image.references[0] if unnamed and image.references else source), image.id
    with _told(source, alone=origin == "docker"), _saved(source, scratch) as archive:
        _, digest = _of_archive(archive, target, scratch, platform, told=f'image "{source}" of Docker')
    return _plain(source), digest


@contextmanager
def _told(source: str, *, alone: bool) -> Iterator[None]:
    """Say where else an image was looked for."""
    try:
        yield
    except DriverError as error:
        if alone:
            raise
        words = f'image "{source}" is no file and not in the local store, and not to be had from Docker'
        raise type(error)(f"{words}: {error}") from error


@contextmanager
def _saved(reference: str, scratch: Path) -> Iterator[Path]:
    """Hold an image of Docker's in a file."""
    from zun_compose.driver import Saves
    from zun_compose.drivers.registry import loader

    path = scratch / "saved.tar"
    with closing(loader("docker")()) as docker, path.open("wb") as file:
        assert isinstance(docker, Saves)
        with closing(docker.save_image(reference)) as chunks:  # type: ignore[type-var]
            for data in chunks:
                file.write(data)
    try:
        yield path
    finally:
        path.unlink()


def _of_archive(
    source: Path, target: IO[bytes], scratch: Path, platform: str | None, *, told: str = ""
) -> tuple[str, str]:
    from zun_compose.drivers.local.images.archive import opened
    from zun_compose.drivers.local.images.formats import find
    from zun_compose.drivers.local.images.platforms import wanted_platform
    from zun_compose.drivers.local.images.records import LIMITS
    from zun_compose.drivers.local.images.saving import save_found

    told = told or f'image archive "{source}"'
    unpacked = scratch / "unpacked"
    unpacked.mkdir()
    try:
        with opened(source, unpacked, LIMITS) as archive:
            found = find(archive, wanted_platform(platform), LIMITS)
            image = _only(found)
            save_found(archive, image, target)
    except Rejected as error:
        raise Rejected(f"{told} is refused: {error.reason}", reason=error.reason) from error
    except OSError as error:
        raise Rejected(f"{told} cannot be read: {(error.strerror or str(error)).lower()}") from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    names = [str(one) for one in image.references]
    return _plain(names[0] if names else source.name.partition(".")[0]), image.id


def _only(found: Sequence[Found]) -> Found:
    if len(found) != 1:
        raise Rejected(f"it holds {len(found)} images: save the one that is meant")
    return found[0]


def _plain(name: str) -> str:
    """Return a name as plain Zun finds it: it takes a tag off before it looks."""
    return name.removesuffix(":latest")
