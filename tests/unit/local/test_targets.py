from __future__ import annotations

import pytest

from zun_compose.drivers.local.supervise.targets import settled


@pytest.fixture
def roots(tmp_path):
    top, low = tmp_path / "top", tmp_path / "low"
    (top / "etc").mkdir(parents=True)
    (low / "var").mkdir(parents=True)
    (low / "run").mkdir()
    (low / "var" / "run").symlink_to("/run")
    (low / "up").symlink_to("../../../../up/there")
    (low / "out").symlink_to("/oldroot/root")
    (low / "loop").symlink_to("loop")
    (low / "replaced").symlink_to("/oldroot")
    (top / "replaced").mkdir()
    (low / "chain").symlink_to("var/run/deep")
    return (top, low)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/etc/hosts", "/etc/hosts"),
        ("/not/there", "/not/there"),
        ("/var/run/secrets", "/run/secrets"),
        ("/up/x", "/up/there/x"),
        ("/out/x", "/oldroot/root/x"),
        ("/replaced/x", "/replaced/x"),
        ("/chain/x", "/run/deep/x"),
        ("/a/../../etc", "/etc"),
        ("/", "/"),
    ],
)
def test_links_are_followed_within_the_root(roots, target, found) -> None:
    if target.startswith("/up"):
        # "up" leads to itself once the root is not left
        with pytest.raises(OSError, match="too many"):
            settled(target, roots)
        return
    assert settled(target, roots) == found


def test_links_without_end_are_refused(roots) -> None:
    with pytest.raises(OSError, match="too many"):
        settled("/loop", roots)
