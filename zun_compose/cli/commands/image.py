"""image: what the local driver's store holds, brought in from archives and registries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from zun_compose.cli.commands.image_push import push
from zun_compose.cli.consent import agreed
from zun_compose.cli.invocation import Invocation
from zun_compose.cli.params import row_format
from zun_compose.cli.table import ago, moment, table
from zun_compose.errors import NotFound, OperationError, ZunComposeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zun_compose.driver import PullProgress
    from zun_compose.drivers.local.images.records import StoredImage
    from zun_compose.drivers.local.images.store import ImageStore

_HEADERS = {
    "Reference": "REFERENCE",
    "ID": "IMAGE ID",
    "Size": "SIZE",
    "CreatedAt": "CREATED AT",
    "Host": "HOST",
}
_NONE = "<none>"


@click.group()
def image() -> None:
    """Images of the local driver: bring in, list, remove, push. Docker's own are not touched."""


image.add_command(push)


@image.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--reference", metavar="NAME", help="Name of the image [default: those that the archive gives]")
@click.option(
    "--kind",
    type=click.Choice(["auto", "rootfs"]),
    default="auto",
    help="auto for an OCI layout or what docker save wrote, rootfs for a tar of a root file system",
)
@click.option(
    "--platform", metavar="OS/ARCH", help="Which of several platforms [default: that of this machine]"
)
@click.pass_obj
def import_(
    call: Invocation,
    /,
    file: Path,
    reference: str | None,
    kind: Literal["auto", "rootfs"],
    platform: str | None,
) -> None:
    """Bring in the images of an archive: all of them, or none if anything in it is wrong.

    FILE is an OCI layout (folder or tar), what docker save wrote, or with --kind rootfs a plain tar; each may
    be compressed.
    """
    _print(store_of(call).import_archive(file, reference=reference, kind=kind, platform=platform))


@image.command()
@click.argument("reference")
@click.option(
    "--platform", metavar="OS/ARCH", help="Which of several platforms [default: that of this machine]"
)
@click.pass_obj
def pull(call: Invocation, /, reference: str, platform: str | None) -> None:
    """Bring in an image from its registry, with the credentials that the Docker CLI has for it."""
    told: list[str] = []

    def tell(progress: PullProgress) -> None:
        if progress.status not in told:
            told.append(progress.status)
            size = f" {_size(progress.total)}" if progress.total else ""
            call.say(f"{progress.image}: {progress.status}{size}")

    _print([store_of(call).pull(reference, platform, tell)])


@image.command()
@row_format()
@click.pass_obj
def ls(call: Invocation, /, form: str) -> None:
    """List images, and what all of them take on disk."""
    from zun_compose.cli.template import Row, check_form, formatted

    check_form(form, _HEADERS)
    store = store_of(call)
    found, used = store.images(), store.disk_use()
    if form == "json":
        for line in [*(one for each in found for one in _json(each)), {"DiskUse": used}]:
            click.echo(json.dumps(line, ensure_ascii=False))
        return
    if form != "table":
        text = formatted(form, [Row(fields=line) for each in found for line in _json(each)], _HEADERS)
        if text:
            click.echo(text)
        return
    now = datetime.now(UTC)
    rows = [row for one in found for row in _rows(one, now)]
    click.echo(table(("REFERENCE", "IMAGE ID", "CREATED", "SIZE"), rows))
    click.echo(f"disk use: {_size(used)}")


@image.command()
@click.argument("references", metavar="REFERENCE...", nargs=-1, required=True)
@click.option("-f", "--force", is_flag=True, help="What does not exist is no error")
@click.pass_obj
def rm(call: Invocation, /, references: tuple[str, ...], force: bool) -> None:
    """Remove images by name or id; one that a container needs stays. A name goes before its image does."""
    store, needed = store_of(call), _in_use(call)
    failed: list[ZunComposeError] = []
    for reference in references:
        try:
            store.remove(reference, needed=needed)
        except NotFound as error:
            if not force:
                failed.append(error)
        except ZunComposeError as error:
            failed.append(error)
        else:
            click.echo(reference)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise OperationError("\n".join(str(error) for error in failed))


@image.command()
@click.option("-a", "--all", "everything", is_flag=True, help="Images with a name too")
@click.option("-f", "--force", is_flag=True, help="Do not ask")
@click.pass_obj
def prune(call: Invocation, /, everything: bool, force: bool) -> None:
    """Remove images that no container needs: those without a name, or with -a all."""
    store = store_of(call)
    needed = _in_use(call)
    keep = {one.id for one in store.images() if one.id in needed or (one.references and not everything)}
    going = [one for one in store.images() if not one.host and one.id not in keep]
    if going and not force and not agreed(_named(going)):
        call.say("nothing was removed")
        return
    freed = store.prune(keep)
    click.echo(f"removed {len(going)}, freed {_size(freed)}")


def store_of(call: Invocation) -> ImageStore:
    """Return the store of the local driver's images."""
    from zun_compose.drivers.local.images.store import ImageStore

    return ImageStore(_home(call) / "images")


def _home(call: Invocation) -> Path:
    """Return the folder that `--driver local` would work in."""
    from zun_compose.selection import LOCAL
    from zun_compose.state import StateStore

    settings = call.settings
    if settings.driver == LOCAL and settings.host:
        return Path(settings.host)
    return StateStore().root / "local"


def _in_use(call: Invocation) -> frozenset[str]:
    from zun_compose.drivers.local.images.use import images_in_use

    return images_in_use(_home(call) / "containers")


def _named(going: Sequence[StoredImage]) -> list[str]:
    return [name for one in going for name in (one.references or (_short(one),))]


def _print(found: Sequence[StoredImage]) -> None:
    for one in found:
        click.echo(" ".join((*one.references, one.id)))


def _rows(one: StoredImage, now: datetime) -> list[tuple[str, str, str, str]]:
    when = moment(one.created) if one.created else None
    created = ago((now - when).total_seconds()) if when is not None else ""
    size = "" if one.host else _size(one.size)
    return [(name, _short(one), created, size) for name in one.references or (_NONE,)]


def _json(one: StoredImage) -> list[dict[str, Any]]:
    return [
        {"Reference": name, "ID": one.id, "Size": one.size, "CreatedAt": one.created, "Host": one.host}
        for name in one.references or (None,)
    ]


def _short(one: StoredImage) -> str:
    return one.id.removeprefix("sha256:")[:12]


def _size(number: float) -> str:
    """Return bytes in decimal units, as docker prints them."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}TB"
