"""What a build sends: the context as a tar that honours .dockerignore, and the builder's parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from zun_compose.errors import Rejected, Unsupported
from zun_compose.model import Build

# where the Dockerfile goes that lies outside of the context or in the stack file: a name nobody has
CARRIED = ".zun-compose.Dockerfile"
REMOTE = ("http://", "https://", "git://", "git@", "github.com/", "ssh://")


def remote(build: Build) -> bool:
    """Whether the engine fetches the context by itself."""
    return build.context.startswith(REMOTE)


def query(tag: str, build: Build, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters of POST /build. Raises Unsupported for what the classic builder lacks."""
    if len(build.platforms) > 1:
        raise Unsupported(f'cannot build image "{tag}": the engine\'s builder makes one platform at a time')
    if remote(build) and build.dockerfile_inline is not None:
        raise Unsupported(f'cannot build image "{tag}": dockerfile_inline needs a local context')
    made: dict[str, Any] = {
        "t": tag,
        "dockerfile": (build.dockerfile or "Dockerfile") if remote(build) else _place(build)[0],
        "rm": 1,
        "forcerm": 1,
        "nocache": int(build.no_cache),
        "pull": int(build.pull),
        "buildargs": json.dumps(dict(build.args)),
        "labels": json.dumps({**build.labels, **labels}),
    }
    if remote(build):
        made["remote"] = build.context
    if build.cache_from:
        made["cachefrom"] = json.dumps(list(build.cache_from))
    if build.extra_hosts:
        made["extrahosts"] = ",".join(f"{host}:{address}" for host, address in build.extra_hosts)
    if build.ulimits:
        made["ulimits"] = json.dumps(
            [{"Name": one.name, "Soft": one.soft, "Hard": one.hard} for one in build.ulimits]
        )
    optional = {
        "target": build.target,
        "networkmode": build.network,
        "platform": build.platforms[0] if build.platforms else None,
        "shmsize": build.shm_size,
    }
    made.update((key, value) for key, value in optional.items() if value is not None)
    return made


def context_of(build: Build) -> IO[bytes] | None:
    """Return the tar of a local context, to be closed; None for a remote one. Raises Rejected."""
    if remote(build):
        return None
    root = Path(build.context)
    if not root.is_dir():
        raise Rejected(f'the build context "{build.context}" is not a folder')
    name, text = _place(build)
    if text is None and not (root / name).is_file():
        raise Rejected(f'the build context "{build.context}" holds no "{name}"')
    from docker.utils.build import tar

    return cast(IO[bytes], tar(root, exclude=_ignored(root, build), dockerfile=(name, text)))


def _place(build: Build) -> tuple[str, str | None]:
    """Return the Dockerfile's name in the context, and its text if it has to be carried there."""
    if build.dockerfile_inline is not None:
        return CARRIED, build.dockerfile_inline
    given = build.dockerfile or "Dockerfile"
    root = Path(build.context).absolute()
    path = (root / given).absolute()
    try:
        return path.resolve().relative_to(root.resolve()).as_posix(), None
    except ValueError:
        pass
    try:
        return CARRIED, path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Rejected(f'cannot read the Dockerfile "{given}": {error}') from None


def _ignored(root: Path, build: Build) -> list[str]:
    """Return the patterns of .dockerignore; one that belongs to the Dockerfile wins."""
    own = root / f"{build.dockerfile or 'Dockerfile'}.dockerignore"
    for path in (own, root / ".dockerignore"):
        if path.is_file():
            lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
            return [line for line in lines if line and not line.startswith("#")]
    return []
