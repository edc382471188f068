"""Commands, logs, processes, files and terminals of containers on a real Zun."""

from __future__ import annotations

import io
import tarfile
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import docker
import pytest
from openstack import exceptions as sdk

from tests.openstack.conftest import Zun, unique, until
from zun_compose.openstack import errors
from zun_compose.openstack.container import Container


def test_a_command_is_told_as_it_ended(admin: Zun, shared: Container) -> None:
    words = ["sh", "-c", 'echo "$1 it\'s"; echo more >&2; exit 3', "-", 'two  words "quoted"']
    ended = admin.proxy.execute_container(shared, words)
    assert ended.exit_code == 3
    assert sorted(ended.output.splitlines()) == ["more", 'two  words "quoted" it\'s']
    assert admin.proxy.execute_container(shared, "echo 'as a line'").output == "as a line\n"


def test_a_command_that_is_too_slow_is_a_timeout_without_its_words(admin: Zun, shared: Container) -> None:
    with pytest.raises(errors.CommandTimeout) as caught:
        admin.proxy.execute_container(shared, ["sh", "-c", "sleep 7; : hunter2"])
    assert isinstance(caught.value, sdk.ResourceTimeout)
    assert "hunter2" not in str(caught.value)


def test_an_interactive_command_has_a_terminal_of_the_size_asked(
    admin: Zun, shared: Container, engine: docker.DockerClient
) -> None:
    command = ["sh", "-c", "until [ \"$(stty size)\" = '30 101' ]; do sleep 0.1; done; touch /resized"]
    begun = admin.proxy.execute_container(shared, command, interactive=True, run=False)
    assert begun.exit_code is None
    assert begun.url is not None
    assert parse_qs(urlsplit(begun.url).query)["exec_id"] == [begun.exec_id]
    assert begun.exec_id is not None
    assert begun.url not in repr(begun)
    # Its websocket would start it; that service is not part of this cloud.
    engine.api.exec_start(begun.exec_id, detach=True, tty=True)
    admin.proxy.resize_container_exec(shared, begun.exec_id, height=30, width=101)
    until(lambda: admin.proxy.execute_container(shared, ["ls", "/resized"]).exit_code == 0)
    with pytest.raises(errors.ServiceError):
        admin.proxy.resize_container_exec(shared, "0" * 64, height=30, width=101)


def test_the_terminal_of_a_container_is_attached_to_and_resized(admin: Zun, shared: Container) -> None:
    made = admin.run(interactive=True, tty=True)
    url = admin.proxy.get_container_attach_url(made)
    assert parse_qs(urlsplit(url).query)["uuid"] == [made.id]
    admin.proxy.resize_container_tty(made, height=33, width=99)
    until(
        lambda: "33 99" in admin.proxy.execute_container(made, ["sh", "-c", "stty size </dev/pts/0"]).output
    )
    with pytest.raises(errors.BadRequest):
        admin.proxy.get_container_attach_url(shared)


def test_logs_are_cut_as_asked(admin: Zun, shared: Container) -> None:
    logs = admin.proxy.get_container_logs
    assert sorted(logs(shared).splitlines()) == ["err", "out"]
    assert logs(shared, stdout=False) == "err\n"
    assert logs(shared, stderr=False) == "out\n"
    assert len(logs(shared, tail=1).splitlines()) == 1
    assert logs(shared, since=int(time.time()) + 60) == ""
    stamped = logs(shared, timestamps=True, stderr=False)
    assert stamped.endswith("Z out\n")
    assert stamped[:2] == "20"


def test_processes_and_use_are_those_of_the_container(admin: Zun, shared: Container) -> None:
    table = admin.proxy.get_container_processes(shared)
    column = table["Titles"].index("CMD")
    assert [row[column] for row in table["Processes"]] == ["sleep 1000"]
    long = admin.proxy.get_container_processes(shared, "-o pid,comm")
    assert [row[1] for row in long["Processes"]] == ["sleep"]
    stats = admin.proxy.get_container_stats(shared)
    assert stats["CONTAINER"] == shared.name
    assert 0 < stats["MEM USAGE(MiB)"] <= stats["MEM LIMIT(MiB)"] == float(shared.memory)


def test_files_go_in_and_out_as_bytes(admin: Zun, shared: Container) -> None:
    content = bytes(range(256)) * 41
    name = unique()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    admin.proxy.put_container_archive(shared, "/tmp", packed.getvalue())
    size = admin.proxy.execute_container(shared, ["wc", "-c", f"/tmp/{name}"]).output.split()[0]
    assert size == str(len(content))
    taken = admin.proxy.get_container_archive(shared, f"/tmp/{name}")
    assert (taken.stat["name"], taken.stat["size"]) == (name, len(content))
    with tarfile.open(fileobj=io.BytesIO(taken.data)) as archive:
        held = archive.extractfile(name)
        assert held is not None
        assert held.read() == content
    with pytest.raises(errors.ServerFault):
        admin.proxy.get_container_archive(shared, "/no/such/path")


def test_a_committed_container_is_an_image_in_glance(admin: Zun, engine: docker.DockerClient) -> None:
    made, name = admin.run(), unique()
    admin.proxy.execute_container(made, ["touch", "/committed"])
    ident = admin.proxy.commit_container(made, name, "v1")["uuid"]
    try:

        def active() -> Any:
            return admin.conn.image.get_image(ident).status == "active"

        until(active, 60)
        assert admin.conn.image.get_image(ident).name == name
        assert [row["name"] for row in admin.proxy.search_images(name, image_driver="glance")] == [name]
        # What was committed starts again from there.
        again = admin.run(image=name, image_driver="glance")
        assert admin.proxy.execute_container(again, ["ls", "/committed"]).exit_code == 0
        admin.proxy.delete_container(again, force=True)
        admin.proxy.wait_for_delete(again, interval=0.2)
    finally:
        admin.conn.image.delete_image(ident)
        for tag in (f"{name}:v1", f"{name}:latest"):
            try:
                engine.images.remove(tag, force=True)
            except docker.errors.ImageNotFound:
                continue
