"""How the engine is reached, and how few calls that takes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread

import pytest

from tests.engines import busybox
from tests.engines.dockerd import Private
from tests.engines.require import missing
from tests.integration.docker.conftest import IMAGE, Bench
from zun_compose import labels
from zun_compose.container import ContainerSpec, Join, State
from zun_compose.drivers.docker import connect
from zun_compose.errors import DriverError, Unavailable
from zun_compose.model import Network, Service

pytestmark = pytest.mark.docker

REQUEST = re.compile(rb"(GET|POST|PUT|DELETE|HEAD) (/\S*) HTTP/1\.1\r\n")


class Tap:
    """A Unix socket in front of the engine's that counts what goes through it."""

    def __init__(self, path: Path, engine: str) -> None:
        self.url = f"unix://{path}"
        self._engine = engine.removeprefix("unix://")
        self._lock = Lock()
        self.requests: list[str] = []
        self.connections = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._engine)
                with self._lock:
                    self.connections += 1
                Thread(target=self._carry, args=(client, server, True), daemon=True).start()
                Thread(target=self._carry, args=(server, client, False), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if asks:
                    with self._lock:
                        self.requests += [
                            f"{verb.decode()} {path.decode().partition('?')[0]}"
                            for verb, path in REQUEST.findall(data)
                        ]
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        if not asks:
            source.close()
            sink.close()

    def taken(self) -> list[str]:
        """What was asked since the last look."""
        with self._lock:
            taken, self.requests = self.requests, []
        return [re.sub(r"^(\w+) /v[\d.]+", r"\1 ", words) for words in taken]

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def tap(docker_engine: str, tmp_path: Path) -> Iterator[Tap]:
    made = Tap(tmp_path / "tap.sock", docker_engine)
    yield made
    made.close()


def test_looking_at_a_stack_costs_two_calls(tap: Tap) -> None:
    driver = connect(tap.url)
    assert tap.taken() == []
    driver.engine()
    driver.list("nobody")
    driver.engine()
    assert tap.taken() == ["GET /info", "GET /containers/json"]
    driver.close()


def test_create_and_start_cost_one_call_each(bench: Bench, tap: Tap) -> None:
    driver = connect(tap.url)
    driver.engine()
    driver.create_network(Network(key="a", name=f"{bench.stack}_a"), {labels.PROJECT: bench.stack})
    tap.taken()
    spec = ContainerSpec(
        name=f"{bench.stack}-web-1",
        stack=bench.stack,
        service=Service(name="web", command=("sleep", "100")),
        number=1,
        image=IMAGE,
        labels={labels.PROJECT: bench.stack},
        joins=(Join(network=f"{bench.stack}_a"),),
    )
    container = driver.create(spec)
    assert tap.taken() == ["POST /containers/create"]
    driver.start(container)
    assert tap.taken() == [f"POST /containers/{container}/start"]
    driver.stop(container, 0)
    driver.remove(container)
    assert tap.taken() == [f"POST /containers/{container}/stop", f"DELETE /containers/{container}"]
    # one thread, one connection
    assert tap.connections == 1
    driver.close()


def test_the_engine_is_known_by_its_id(bench: Bench, tap: Tap) -> None:
    driver = connect(tap.url)
    direct = bench.driver.engine()
    assert direct.id == driver.engine().id
    assert direct.local
    assert direct.runs_healthchecks
    assert direct.driver == driver.name == "docker"
    driver.close()


def test_something_else_on_the_socket_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        client, _ = listener.accept()
        client.recv(4096)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        client.close()

    Thread(target=serve, daemon=True).start()
    with pytest.raises(Unavailable):
        connect(f"unix://{path}").engine()
    listener.close()


def test_a_broken_answer_is_unavailable_and_not_a_hang(tmp_path: Path) -> None:
    path = tmp_path / "silent.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    with pytest.raises(Unavailable):
        connect(f"unix://{path}", timeout=1.0).engine()
    listener.close()


def test_a_context_leads_to_the_engine(
    docker_engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "contexts" / "meta" / hashlib.sha256(b"here").hexdigest()
    folder.mkdir(parents=True)
    meta = {"Name": "here", "Metadata": {}, "Endpoints": {"docker": {"Host": docker_engine}}}
    (folder / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "here"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    driver = connect(environment={})
    assert driver.engine().id
    driver.close()


def _certificates(folder: Path) -> None:
    """Make an authority, a server's and a client's certificate in `folder`, as the CLI wants them named."""
    script = """
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem
    for who in server client; do
        openssl req -newkey rsa:2048 -nodes -subj /CN=$who -keyout $who-key.pem -out $who.csr
        printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=%sAuth\\n' $who >$who.cnf
        openssl x509 -req -days 2 -in $who.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial \\
            -extfile $who.cnf -out $who.pem
    done
    cp client.pem cert.pem
    cp client-key.pem key.pem
    """
    subprocess.run(["sh", "-ec", script], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def bridge() -> Iterator[str]:
    """A bridge of our own: an engine without one removes docker0, which belongs to its neighbour."""
    name = f"zct{os.getpid() % 10_000_000}"
    ip = ["ip", "link"]
    try:
        subprocess.run([*ip, "add", name, "type", "bridge"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        missing("docker", "no bridge can be made here")
    try:
        subprocess.run(["ip", "addr", "add", "10.214.77.1/24", "dev", name], check=True)
        subprocess.run([*ip, "set", name, "up"], check=True)
        yield name
    finally:
        subprocess.run([*ip, "del", name], check=True)


def test_tls_over_tcp(
    docker_engine: str, bridge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _certificates(tmp_path)
    # a bundle for the web must not take the place of the engine's own authority
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    engine = Private()
    try:
        # in this network namespace, or its port could not be reached; it must not touch iptables then
        engine.start(
            f"--host=tcp://127.0.0.1:{port}",
            "--tlsverify",
            f"--tlscacert={tmp_path}/ca.pem",
            f"--tlscert={tmp_path}/server.pem",
            f"--tlskey={tmp_path}/server-key.pem",
            "--iptables=false",
            f"--bridge={bridge}",
            beside=False,
        )
    except (LookupError, OSError) as error:
        missing("docker", str(error))
    try:
        busybox.ensure(engine.url)
        environment = {
            "DOCKER_HOST": f"tcp://127.0.0.1:{port}",
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(tmp_path),
        }
        driver = connect(environment=environment)
        bench = Bench(engine.url, driver, "zctls")
        assert not driver.engine().local
        heard: list[str] = []
        subscription = driver.events(bench.stack, lambda hint: heard.append(hint.action))
        container = bench.running("sh", "-c", "echo over tls; sleep 100", asked={"network_mode": "none"})
        assert driver.execute(container, ["sh", "-c", "echo inside; exit 2"], timeout=20).output == "inside\n"
        driver.kill(container, "SIGKILL")
        assert driver.wait(container, 20) == 137
        assert [line.text for line in driver.logs(container, follow=True)] == ["over tls"]
        assert driver.inspect(container).state is State.EXITED
        driver.remove(container)
        subscription.close()
        assert "die" in heard
        driver.close()
        for stranger in (
            {"DOCKER_HOST": environment["DOCKER_HOST"]},
            {**environment, "DOCKER_CERT_PATH": "/nowhere"},
        ):
            with pytest.raises(DriverError):
                connect(environment=stranger, timeout=5.0).engine()
    finally:
        engine.stop()


def test_a_private_engine_leaves_nothing(docker_engine: str) -> None:
    engine = Private()
    try:
        engine.start()
    except (LookupError, OSError) as error:
        missing("docker", str(error))
    busybox.ensure(engine.url)
    driver = connect(engine.url)
    container = Bench(engine.url, driver, "zcleft").running()
    pid = driver.inspect(container).pid
    driver.close()
    daemon = engine.pid
    engine.stop()
    assert not engine.home.exists()
    assert str(engine.home) not in Path("/proc/mounts").read_text()
    for gone in (pid, daemon):
        assert gone is not None
        with pytest.raises(ProcessLookupError):
            os.kill(gone, 0)
