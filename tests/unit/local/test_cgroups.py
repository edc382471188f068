"""Where control groups go and what is written to them; a plain folder stands for the kernel's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from zun_compose.drivers.local.cgroups import (
    CONTROLLER,
    EVERY,
    Base,
    asked,
    bases,
    kept,
    make,
    remove,
    settings,
)
from zun_compose.drivers.local.home import Place
from zun_compose.model import Resources

GIB = 1024**3


def kernel(tmp_path: Path, own: str, mounts: str) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "cgroup").write_text(own)
    (folder / "mountinfo").write_text(f"22 1 8:1 / / rw - ext4 /dev/vda rw\n{mounts}")
    return folder


def group(folder: Path, controllers: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.subtree_control").write_text(controllers)
    (folder / "cgroup.procs").write_text("")
    return folder


def test_of_version_2_the_nearest_that_gives_most_is_taken(tmp_path: Path) -> None:
    top = tmp_path / "sys"
    group(top, "")
    group(top / "slice", "memory pids\n")
    group(top / "slice" / "app", "memory pids\n")
    group(top / "slice" / "app" / "own", "")
    process = kernel(tmp_path, "0::/slice/app/own\n", f"30 22 0:26 / {top} rw - cgroup2 cgroup2 rw\n")
    (base,) = bases(process)
    assert base == Base(folder=top / "slice" / "app", controllers=frozenset({"memory", "pids"}), unified=True)


def test_what_lies_above_the_root_of_a_mount_is_not_ours(tmp_path: Path) -> None:
    top = group(tmp_path / "sys", "memory\n")
    process = kernel(tmp_path, "0::/../other\n", f"30 22 0:26 / {top} rw - cgroup2 cgroup2 rw\n")
    assert [base.folder for base in bases(process) if not base.folder.is_relative_to(top)] == []
    (process / "cgroup").write_text("0::/docker/abc/own\n")
    group(top / "own", "")
    (process / "mountinfo").write_text(f"30 22 0:26 /docker/abc {top} rw - cgroup2 cgroup2 rw\n")
    assert [base.folder for base in bases(process)] == [top]
    (process / "mountinfo").write_text(f"30 22 0:26 /docker/xyz {top} rw - cgroup2 cgroup2 rw\n")
    assert bases(process) == ()


def test_of_version_1_each_controller_has_a_place(tmp_path: Path) -> None:
    for name in ("memory/one", "cpu", "net"):
        (tmp_path / name).mkdir(parents=True)
    own = "4:memory:/one\n3:cpu,cpuacct:/\n2:net_cls:/\n1:name=systemd:/\n0::/\n"
    mounts = "".join(
        f"3{number} 22 0:3{number} / {tmp_path / name} rw - cgroup cgroup rw,{options}\n"
        for number, (name, options) in enumerate(
            {"memory": "memory", "cpu": "cpu,cpuacct", "net": "net_cls"}.items()
        )
    )
    found = {base.folder: base.controllers for base in bases(kernel(tmp_path, own, mounts))}
    assert found == {tmp_path / "memory/one": {"memory"}, tmp_path / "cpu": {"cpu"}}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_what_may_not_be_written_is_no_place(tmp_path: Path) -> None:
    top = group(tmp_path / "sys", "memory\n")
    process = kernel(tmp_path, "0::/\n", f"30 22 0:26 / {top} rw - cgroup2 cgroup2 rw\n")
    assert len(bases(process)) == 1
    top.chmod(0o555)
    assert bases(process) == ()


@pytest.mark.parametrize(
    ("declared", "one", "two"),
    [
        (
            {"memory": GIB},
            {"memory.limit_in_bytes": f"{GIB}", "memory.memsw.limit_in_bytes?": f"{2 * GIB}"},
            {"memory.max": f"{GIB}", "memory.swap.max?": f"{GIB}"},
        ),
        (
            {"memory": GIB, "memory_swap": GIB},
            {"memory.limit_in_bytes": f"{GIB}", "memory.memsw.limit_in_bytes?": f"{GIB}"},
            {"memory.max": f"{GIB}", "memory.swap.max?": "0"},
        ),
        (
            {"memory": GIB, "memory_swap": -1},
            {"memory.limit_in_bytes": f"{GIB}", "memory.memsw.limit_in_bytes?": "-1"},
            {"memory.max": f"{GIB}", "memory.swap.max?": "max"},
        ),
        ({"reserved_memory": GIB}, {"memory.soft_limit_in_bytes": f"{GIB}"}, {"memory.low": f"{GIB}"}),
        (
            {"cpus": 1.5},
            {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000"},
            {"cpu.max": "150000 100000"},
        ),
        (
            {"cpu_quota": 5000, "cpu_period": 10000},
            {"cpu.cfs_period_us": "10000", "cpu.cfs_quota_us": "5000"},
            {"cpu.max": "5000 10000"},
        ),
        ({"cpu_shares": 1024}, {"cpu.shares": "1024"}, {"cpu.weight": "39"}),
        ({"cpu_shares": 262144}, {"cpu.shares": "262144"}, {"cpu.weight": "10000"}),
        ({"pids": 7}, {"pids.max": "7"}, {"pids.max": "7"}),
        ({"pids": -1}, {"pids.max": "max"}, {"pids.max": "max"}),
    ],
)
def test_each_version_has_its_words(declared: dict[str, Any], one: Any, two: Any) -> None:
    limits = asked(Resources(**declared))
    everything = frozenset({"cpu", "memory", "pids", "cpuset"})
    for unified, expected in ((False, one), (True, two)):
        base = Base(folder=Path("/none"), controllers=everything, unified=unified)
        assert dict(settings(limits, base)) == expected


@pytest.mark.parametrize("unified", [False, True])
@pytest.mark.parametrize("given", ["cpu", "memory", "pids", "cpuset"])
def test_what_is_kept_is_what_is_set(given: str, unified: bool) -> None:
    base = Base(folder=Path("/none"), controllers=frozenset({given}), unified=unified)
    limits = dict.fromkeys(EVERY, 5)
    for name in EVERY:
        # the limit on swap is one together with that on memory
        others = {"memory": 4} if name == "memory_swap" else {}
        with_it = dict(settings({**others, name: limits[name]}, base))
        assert (with_it != dict(settings(others, base))) is (name in kept([base])), name
    assert {CONTROLLER[name] for name in kept([base])} == {given}
    assert kept([]) == frozenset()


def test_groups_are_written_down_before_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = group(tmp_path / "sys", "memory pids\n")
    base = Base(folder=top, controllers=frozenset({"memory", "pids"}), unified=True)
    monkeypatch.setattr("zun_compose.drivers.local.cgroups.bases", lambda: (base,))
    (tmp_path / ("a" * 64)).mkdir()
    place = Place(tmp_path / ("a" * 64))
    assert make(place, {}).folders == ()
    assert list(place.path.iterdir()) == []
    folder = top / f"zun-compose-{'a' * 32}"
    # a kernel that counts no swap
    group(folder, "")
    for name in ("memory.max", "pids.max"):
        (folder / name).write_text("")
    made = make(place, {"memory": GIB, "pids": 3})
    assert made.folders == (folder,)
    assert [(folder / name).read_text() for name in ("memory.max", "pids.max")] == [f"{GIB}", "3"]
    made.enter(4711)
    assert (folder / "cgroup.procs").read_text() == "4711"
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert made.killed()
    for file in folder.iterdir():
        file.unlink()
    remove(place.path)
    assert not folder.exists()
    assert list(place.path.iterdir()) == []
    remove(place.path)
