"""Whether this machine lets an ordinary user make containers, and if not, which setting forbids it."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from zun_compose.drivers.local.home import write
from zun_compose.drivers.local.interpreter import refused
from zun_compose.errors import Unavailable
from zun_compose.linux import proc

# settings that allow and limit namespaces, by distribution and kernel (sysctl names)
_SETTINGS = (
    "kernel.apparmor_restrict_unprivileged_userns",
    "kernel.unprivileged_userns_clone",
    "user.max_ipc_namespaces",
    "user.max_mnt_namespaces",
    "user.max_net_namespaces",
    "user.max_pid_namespaces",
    "user.max_user_namespaces",
    "user.max_uts_namespaces",
)
# what /proc/self/status says of who we are and what we may
_STANDING = ("Uid:", "Gid:", "CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:", "Seccomp_filters:")
_WAY_ON = "; --no-isolation (ZUN_COMPOSE_NO_ISOLATION=1) runs commands without containers"


def check(kept: Path | None = None) -> None:
    """Raise Unavailable naming the setting, if user namespaces are not to be had.

    A good answer is kept in a file, and believed as long as nothing has changed that it hangs on.
    """
    ground = _ground()
    if kept is not None and proc.text(str(kept)) == ground:
        return
    error = _tried()
    if error:
        raise Unavailable(f"the local driver cannot make containers: {_why(error)}{_WAY_ON}")
    if kept is not None:
        with contextlib.suppress(OSError):
            write(kept, ground.encode())


def _ground() -> str:
    """All that decides whether namespaces are to be had: kernel, settings, who asks and from where."""
    here = os.stat("/")
    lines = [
        f"boot {proc.boot_id()} kernel {os.uname().release}",
        # AppArmor and SELinux go by the program
        f"program {os.path.realpath(sys.executable)} label {proc.text('/proc/self/attr/current').strip()}",
        # who is in a chroot gets none
        f"root {here.st_dev}:{here.st_ino}",
        *(os.readlink(f"/proc/self/ns/{kind}") for kind in ("user", "mnt")),
        *(line for line in proc.text("/proc/self/status").splitlines() if line.startswith(_STANDING)),
        *(f"{name} {_setting(name)}" for name in _SETTINGS),
    ]
    return "".join(f"{line}\n" for line in lines)


def _tried() -> str:
    """Make a user namespace with a network and a mount in it, in a process of its own; "" if that works."""
    import subprocess

    # a process with threads cannot enter a user namespace, and must not fork without executing
    code = (
        "import ctypes,os,sys\n"
        "c=ctypes.CDLL(None,use_errno=True);u,g=os.geteuid(),os.getegid()\n"
        "def f(what): sys.exit('%s: %s' % (what, os.strerror(ctypes.get_errno()).lower()))\n"
        "c.unshare(0x10000000) and f('user namespace')\n"
        "try:\n"
        " open('/proc/self/setgroups','w').write('deny')\n"
        " open('/proc/self/uid_map','w').write('0 %d 1' % u)\n"
        " open('/proc/self/gid_map','w').write('0 %d 1' % g)\n"
        "except OSError as e: sys.exit('user map: %s' % e.strerror.lower())\n"
        "c.unshare(0x40020000) and f('network namespace')\n"
        "c.mount(b'none',b'/',None,0x44000,None) and f('mount')\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False, cwd="/"
        )
    except OSError as error:
        raise refused(error) from error
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def _setting(name: str) -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys", *name.split(".")).read_text().strip()
    return ""


def _why(error: str) -> str:
    if _setting("kernel.unprivileged_userns_clone") == "0" and os.geteuid() != 0:
        return (
            "user namespaces are off: the kernel setting kernel.unprivileged_userns_clone is 0, set it to 1"
        )
    if _setting("user.max_user_namespaces") == "0":
        return "user namespaces are off: the kernel setting user.max_user_namespaces is 0, raise it"
    if _setting("kernel.apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor restricts user namespaces: set kernel.apparmor_restrict_unprivileged_userns to 0, "
            "or give this Python an AppArmor profile that allows userns"
        )
    return f"{error} (is this a container itself, or does a security module forbid user namespaces?)"
