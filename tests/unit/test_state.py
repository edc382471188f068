"""State files: private, atomic, versioned; what they hold and what they refuse."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zun_compose.driver import EngineInfo
from zun_compose.errors import StateError
from zun_compose.model import Condition
from zun_compose.state import ReadyRecord, Remembered, StateStore
from zun_compose.state.store import without_password

ENGINE = EngineInfo(id="AB:CD", driver="docker", name="box")


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path / "state", command="zun-compose up")


def only_file(root: Path, kind: str) -> Path:
    (found,) = [path for path in (root / kind).iterdir() if path.suffix == ".json"]
    return found


def ready(at: float, started: str = "t0", condition: Condition = Condition.READY) -> ReadyRecord:
    return ReadyRecord(started_at=started, ready_since=at, condition=condition)


def test_reading_makes_nothing(store: StateStore) -> None:
    assert store.recall("shop") is None
    assert store.ready("AB:CD", "shop") == {}
    store.forget("shop", "AB:CD")
    assert not store.root.exists()


def test_remember_recall_forget(store: StateStore) -> None:
    store.remember("shop", "docker", ENGINE, "tcp://box:2375", "/srv/shop")
    assert store.recall("shop") == Remembered(
        stack="shop",
        driver="docker",
        engine_id="AB:CD",
        engine_name="box",
        address="tcp://box:2375",
        working_dir="/srv/shop",
    )
    store.forget("shop", "another engine")
    assert store.recall("shop") is not None
    store.forget("shop", "AB:CD")
    assert store.recall("shop") is None


def test_folders_and_files_are_for_our_user_alone(store: StateStore) -> None:
    before = os.umask(0)
    try:
        store.remember("shop", "docker", ENGINE, None, "/srv/shop")
        store.record_ready("AB:CD", "shop", {"c1": ready(1.0)})
        with store.lock("AB:CD", "shop"):
            pass
    finally:
        os.umask(before)
    for path in [store.root, *store.root.rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_remembering_the_same_again_writes_nothing(store: StateStore) -> None:
    store.remember("shop", "docker", ENGINE, None, "/srv/shop")
    path = only_file(store.root, "stacks")
    before = path.stat().st_ino
    store.remember("shop", "docker", ENGINE, None, "/srv/shop")
    assert path.stat().st_ino == before
    store.remember("shop", "docker", ENGINE, None, "/srv/other")
    assert path.stat().st_ino != before


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../x", "x" * 300, "", "ß", "a b"])
def test_any_stack_name_stays_inside_the_folder(store: StateStore, name: str) -> None:
    store.remember(name, "docker", ENGINE, None, "/srv")
    recalled = store.recall(name)
    assert recalled is not None
    assert recalled.stack == name
    assert only_file(store.root, "stacks").parent == store.root / "stacks"


def test_engines_do_not_share_readiness(store: StateStore) -> None:
    store.record_ready("one", "shop", {"c1": ready(1.0)})
    assert store.ready("two", "shop") == {}
    assert store.ready("one", "shop") == {"c1": ready(1.0)}


def test_the_earliest_moment_of_the_same_start_is_kept(store: StateStore) -> None:
    store.record_ready("e", "shop", {"c1": ready(5.0), "c2": ready(5.0)})
    store.record_ready("e", "shop", {"c1": ready(9.0), "c2": ready(9.0, started="t1")})
    assert store.ready("e", "shop") == {"c1": ready(5.0), "c2": ready(9.0, started="t1")}


def test_records_of_containers_that_are_gone_are_dropped(store: StateStore) -> None:
    store.record_ready("e", "shop", {"old": ready(1.0), "kept": ready(1.0)})
    store.record_ready("e", "shop", {"new": ready(2.0)}, existing={"kept", "new"})
    assert set(store.ready("e", "shop")) == {"kept", "new"}


def test_records_from_several_threads_are_all_kept(store: StateStore) -> None:
    def add(number: int) -> None:
        store.record_ready("e", "shop", {f"c{number}": ready(float(number))})

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.ready("e", "shop")) == 20


def test_a_newer_format_is_refused_and_left_alone(store: StateStore) -> None:
    store.remember("shop", "docker", ENGINE, None, "/srv/shop")
    path = only_file(store.root, "stacks")
    newer = json.dumps({"format": 2, "zun_compose": "9.7.0", "anything": []})
    path.write_text(newer)
    for call in (
        lambda: store.recall("shop"),
        lambda: store.remember("shop", "docker", ENGINE, None, "/srv/shop"),
        lambda: store.forget("shop", "AB:CD"),
    ):
        with pytest.raises(StateError) as caught:
            call()
        assert caught.value.code == "state.newer"
        assert "zun-compose 9.7.0 or newer is needed" in str(caught.value)
        assert "nothing was changed" in str(caught.value)
    assert path.read_text() == newer


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"format": "1"}',
        b'{"format": true}',
        b'{"format": 0}',
        b'{"format": 1}',
        b'{"format": 1, "stack": 3, "driver": "d", "engine": {"id": "", "name": ""}, "address": null,'
        b' "working_dir": ""}',
        b'{"format": 1, "engine": []}',
        b"[" * 100_000,
    ],
)
def test_a_broken_file_is_named_with_what_to_do(store: StateStore, text: bytes) -> None:
    store.remember("shop", "docker", ENGINE, None, "/srv/shop")
    path = only_file(store.root, "stacks")
    path.write_bytes(text)
    with pytest.raises(StateError) as caught:
        store.recall("shop")
    assert caught.value.code == "state.broken"
    assert str(path) in str(caught.value)
    assert "remove it" in str(caught.value)
    assert path.read_bytes() == text


@pytest.mark.parametrize("containers", ["[]", '{"c": {}}', '{"c": {"started_at": 3, "ready_since": 1}}'])
def test_broken_readiness_is_named_too(store: StateStore, containers: str) -> None:
    store.record_ready("e", "shop", {"c1": ready(1.0)})
    only_file(store.root, "ready").write_text(f'{{"format": 1, "containers": {containers}}}')
    with pytest.raises(StateError) as caught:
        store.ready("e", "shop")
    assert caught.value.code == "state.broken"


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    # A file in the way stops root too, which a mode would not.
    (tmp_path / "state").write_text("in the way")
    store = StateStore(tmp_path / "state")
    with pytest.raises(StateError) as caught:
        store.remember("shop", "docker", ENGINE, None, "/srv/shop")
    assert caught.value.code == "state.unusable"
    assert str(tmp_path / "state") in str(caught.value)
    assert "XDG_STATE_HOME" in str(caught.value)
    with pytest.raises(StateError), store.lock("e", "shop"):
        pass


def test_a_failed_write_leaves_the_old_file_and_no_rest(
    store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.remember("shop", "docker", ENGINE, None, "/srv/shop")

    def full(_: int) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError) as caught:
        store.remember("shop", "docker", ENGINE, None, "/srv/elsewhere")
    assert "no space left" in str(caught.value)
    recalled = store.recall("shop")
    assert recalled is not None
    assert recalled.working_dir == "/srv/shop"
    assert [path.name for path in (store.root / "stacks").iterdir()] == ["shop.json"]


def test_the_default_folder_follows_the_standard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert StateStore().root == tmp_path / ".local" / "state" / "zun-compose"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert StateStore().root == tmp_path / "xdg" / "zun-compose"


def test_passwords_in_addresses_are_not_kept(store: StateStore) -> None:
    store.remember("shop", "docker", ENGINE, "ssh://me:hunter2@box:22/x", "/srv/shop")
    assert "hunter2" not in only_file(store.root, "stacks").read_text()
    assert without_password("ssh://me:hunter2@box:22/x") == "ssh://me@box:22/x"
    assert without_password("unix:///run/docker.sock") == "unix:///run/docker.sock"


def test_importing_the_store_is_cheap() -> None:
    heavy = "('tempfile', 'networkx', 'docker')"
    code = f"import zun_compose.state, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_numbers_of_containers_are_kept_until_others_are_given(store: StateStore) -> None:
    store.remember("shop", "docker", ENGINE, None, "/srv")
    assert store.scale("shop", "AB:CD") == {}
    store.remember("shop", "docker", ENGINE, None, "/srv", {"web": 3})
    store.remember("shop", "docker", ENGINE, None, "/srv")
    assert store.scale("shop", "AB:CD") == {"web": 3}
    assert store.scale("shop", "other engine") == {}
    store.remember("shop", "docker", ENGINE, None, "/srv", {})
    assert store.scale("shop", "AB:CD") == {}


@pytest.mark.parametrize("wrong", [-1, "2", True, None])
def test_a_wrong_number_of_containers_is_refused(store: StateStore, wrong: object) -> None:
    store.remember("shop", "docker", ENGINE, None, "/srv", {"web": 3})
    file = only_file(store.root, "stacks")
    body = json.loads(file.read_text())
    body["scale"] = {"web": wrong}
    file.write_text(json.dumps(body))
    with pytest.raises(StateError, match="an entry is missing or has the wrong type"):
        store.scale("shop", "AB:CD")
