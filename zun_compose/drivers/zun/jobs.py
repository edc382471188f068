"""Commands that last: Zun gives each of its own a few seconds, so these run on their own in the container.

A shell there starts the command in the background, with its streams in a folder that only its user can read,
and short commands of ours look how far it has come. Everything that may be secret goes there as a file: Zun
takes commands in URLs, which it logs. The shell needs what busybox and coreutils have.
"""

from __future__ import annotations

import base64
import re
import secrets
import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from zun_compose.container import FileContent
from zun_compose.driver import Session
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.faults import translated
from zun_compose.errors import DriverError, NotFound, Rejected, Unavailable, Unsupported
from zun_compose.trees import packed

SOME = 512 * 1024
"""Bytes of each stream that one look brings at most."""

_NAP = "nap() { sleep 0.1 2>/dev/null || { sleep 1; n=$((n+9)); }; n=$((n+1)); }\n"

# $1 a token, $2 the user asked for; tells the folder, its owner, how to become the user, and where we are
_MAKE = r"""umask 077
me=$(id -u) as=
if [ -n "$2" ]; then
  [ "$me" = 0 ] || exit 91
  user=${2%%:*} group=
  case $2 in *:*) group=${2#*:} ;; esac
  case $user in
    *[!0-9]*) me=$(id -u "$user" 2>/dev/null) || exit 92 ;;
    *) me=$user user=$(sed -n "s/^\([^:]*\):[^:]*:$me:.*/\1/p" /etc/passwd 2>/dev/null | head -n 1) ;;
  esac
  case $group in
    '') own=0; [ -z "$user" ] || own=$(id -g "$user") ;;
    *[!0-9]*) own=$(sed -n "s/^$group:[^:]*:\([0-9]*\):.*/\1/p" /etc/group); [ -n "$own" ] || exit 92 ;;
    *) own=$group ;;
  esac
  if [ -z "$group" ] && [ -n "$user" ] && command -v su >/dev/null 2>&1; then as="su $user"
  elif setpriv --reuid="$me" --regid="$own" --clear-groups true 2>/dev/null; then
    as="setpriv --reuid=$me --regid=$own --clear-groups"
  elif chroot --userspec="$me:$own" / true 2>/dev/null; then as="chroot --userspec=$me:$own /"
  else exit 93
  fi
fi
for base in /tmp /var/tmp "$HOME"; do
  d=$base/.zun-compose-$1
  mkdir "$d" 2>/dev/null && break
  d=
done
[ -n "$d" ] || exit 94
[ -z "$as" ] || chown "$me" "$d"
printf '%s\n' "$d" "$me" "$as" "$PWD"
"""

# $1 the folder, $2 and $3 the first byte wanted of each stream, $4 how many, $5 how long to wait for news;
# tells the exit code or "-", whether this is all, how the bytes are written, and both streams
_LOOK = (
    _NAP
    + """d=$1
size() { if [ -e "$d/$1" ]; then wc -c <"$d/$1"; else echo 0; fi; }
part() { [ ! -e "$d/$1" ] || tail -c "+$2" "$d/$1" | head -c "$3" | $as; }
n=0
while [ ! -e "$d/code" ] && [ "$(size out)" -lt "$2" ] && [ "$(size err)" -lt "$3" ] && [ $n -lt "$5" ]; do
  nap
done
code=- all=no as=base64
if [ ! -e "$d/code" ]; then
  group=$(cat "$d/pid" 2>/dev/null)
  if [ -z "$group" ]; then code=none
  elif ! kill -0 -"$group" 2>/dev/null && [ ! -e "$d/code" ]; then code=137; fi
fi
[ ! -e "$d/code" ] || code=$(cat "$d/code")
[ "$code" = - ] || [ $(($(size out) - $2)) -ge "$4" ] || [ $(($(size err) - $3)) -ge "$4" ] || all=yes
command -v base64 >/dev/null 2>&1 || as='od -An -v -tx1'
echo "$code $all ${as%% *}"
part out "$2" "$4"
echo .
part err "$3" "$4"
[ $all = no ] || { rm -rf "$d"; wait; }
"""
)

# $1 the folder, $2 how to become the user
_BECOME = """d=$1
case $2 in
  'su '*) set -- su -s /bin/sh "${2#su }" -c "exec sh '$d/run'" ;;
  *) set -- $2 sh "$d/run" ;;
esac
echo $$ >"$d/pid"
"""

# $3 is "yes" if there is input, which comes as files, an empty one last; "ok" says that one is whole
_BEGIN = (
    _NAP
    + """input=$3 some=$4 wait=$5
"""
    + _BECOME
    + """feed() {
  k=0
  while :; do
    until [ -e "$d/ok.$k" ]; do
      [ -d "$d" ] && [ ! -e "$d/code" ] || return
      nap
    done
    [ -s "$d/in.$k" ] || return
    cat "$d/in.$k" || return
    rm -f "$d/in.$k" "$d/ok.$k"
    k=$((k+1))
  done
}
from=/dev/null
if [ "$input" = yes ]; then
  from=$d/in
  mkfifo "$from" 2>/dev/null || exit 95
  # the outer shell lets go of our streams, which a function's own redirection only puts aside
  (feed >"$from") >/dev/null 2>&1 &
fi
(
  trap : TERM HUP
  "$@" <"$from" >"$d/out" 2>"$d/err"
  echo $? >"$d/new"
  mv "$d/new" "$d/code"
) >/dev/null 2>&1 &
set -- "$d" 1 1 "$some" "$wait"
"""
    + _LOOK
)

_DETACHED = (
    _BECOME
    + """( "$@"; rm -rf "$d" ) </dev/null >/dev/null 2>&1 &
"""
)

_TERMINAL = (
    """trap : INT QUIT TSTP
"""
    + _BECOME
    + """"$@"
echo $? >"$d/new"
mv "$d/new" "$d/code"
"""
)

_END = (
    _NAP
    + """d=$1 n=0 group=$(cat "$1/pid" 2>/dev/null)
if [ -n "$group" ] && [ ! -e "$d/code" ]; then
  kill -TERM -"$group" 2>/dev/null
  while [ ! -e "$d/code" ] && [ $n -lt 30 ]; do nap; done
  kill -KILL -"$group" 2>/dev/null
fi
rm -rf "$d"
"""
)

_SCRIPTS = {"begin": _BEGIN, "detached": _DETACHED, "end": _END, "look": _LOOK, "terminal": _TERMINAL}

_WAIT = 20
"""Tenths of seconds that a look waits for news, well within what Zun gives a command."""

_NO_SHELL = (126, 127)
_NONE = "none"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class NoShell(Unsupported):
    """The container has no shell, or none that can do this."""


class Progress(NamedTuple):
    """How far a command has come."""

    code: int | None
    """Its exit code, None while it runs."""
    out: bytes
    err: bytes
    """What it has written since the last look."""
    over: bool
    """Whether there is nothing more to come."""


class Job:
    """One command in one container. `end` has to be called in the end."""

    def __init__(self, cloud: Cloud, container: str, doing: str) -> None:
        self._cloud = cloud
        self._container = container
        self._doing = doing
        self._folder = ""
        self._become = ""
        self._owner = 0
        self._offsets = (1, 1)
        self._fed = 0
        self._over = False

    def prepare(self, command: Sequence[str], session: Session) -> None:
        """Make all ready; nothing has run then.

        Raises NoShell, and Unsupported or NotFound for a user that cannot be had.
        """
        if session.privileged:
            raise Unsupported(
                f"cannot {self._doing}: Zun gives a command no more rights than its container has"
            )
        told = self._told(["sh", "-c", _MAKE, "sh", secrets.token_hex(8), session.user or ""])
        if told.exit_code:
            raise self._refusal(int(told.exit_code), session.user or "")
        try:
            self._folder, owner, self._become, here = str(told.output).split("\n")[:4]
            self._owner = int(owner)
        except ValueError:
            raise NoShell(
                f"cannot {self._doing}: the container's shell is none that zun-compose knows"
            ) from None
        script = [f"cd -- {shlex.quote(session.working_dir or here)} || exit 126"]
        odd = []
        for name, value in session.environment.items():
            pair = f"{name}={shlex.quote(value)}"
            if _NAME.fullmatch(name):
                script.append(f"export {pair}")
            else:
                odd.append(shlex.quote(f"{name}={value}"))
        script.append(" ".join(["exec", *(["env", *odd] if odd else []), *map(shlex.quote, command)]))
        files = {name: text.encode() for name, text in _SCRIPTS.items()}
        self._put({**files, "run": "\n".join([*script, ""]).encode("utf-8", "surrogateescape")})

    def _refusal(self, code: int, user: str) -> DriverError:
        because = f"cannot {self._doing}"
        if code in _NO_SHELL:
            return NoShell(f'{because}: its image has no "sh"')
        if code == 91:
            return Unsupported(f"{because}: it does not run as root, so nobody in it can become another user")
        if code == 92:
            return NotFound(f'{because}: it has no user or group "{user}"')
        if code == 93:
            return Unsupported(
                f'{because}: its image has no "su", "setpriv" or "chroot" that makes user "{user}"'
            )
        if code == 94:
            return NoShell(f"{because}: there is no folder in it that its user may write to, such as /tmp")
        return NoShell(f"{because}: its shell fails (exit code {code})")

    def begin(self, *, stdin: bool = False) -> Progress:
        """Start the command, and tell how far it comes at once. With `stdin` it gets what `feed` is given."""
        wait = 0 if stdin else _WAIT
        told = self._call("begin", self._become, "yes" if stdin else "no", str(SOME), str(wait))
        if told.exit_code == 95:
            raise Unsupported(
                f'cannot {self._doing}: its image has no "mkfifo", so a command gets no input: '
                "give it none (</dev/null)"
            )
        return self._read(told)

    def in_terminal(self) -> Any:
        """Return an interactive execution of the command, which begins when its websocket is connected to."""
        with translated(self._doing):
            return self._cloud.zun.execute_container(
                self._container,
                self._line("terminal", self._become),
                interactive=True,
                run=False,
            )

    def code(self) -> int:
        """Return how what ran in a terminal ended. Raises Unavailable if it never began, or runs on."""
        seen = self.look()
        if seen.code is None:
            raise Unavailable(f"cannot {self._doing}: the websocket broke before its end")
        return seen.code

    def begin_detached(self) -> None:
        """Start the command without streams; in the end it removes its traces by itself."""
        self._call("detached", self._become)
        self._over = True

    def feed(self, data: bytes) -> None:
        """Hand the command a piece of its input; an empty one ends it."""
        number = self._fed
        self._fed += 1
        self._put({f"in.{number}": data, f"ok.{number}": b""})

    def look(self, wait: int = _WAIT) -> Progress:
        """Tell what has come since the last look, for which it waits up to so many tenths of seconds."""
        out, err = self._offsets
        return self._read(self._call("look", str(out), str(err), str(SOME), str(wait)))

    def _read(self, told: Any) -> Progress:
        out, err = self._offsets
        first, _, rest = str(told.output).partition("\n")
        try:
            code, over, way = first.split()
            if code == _NONE:
                raise Unavailable(f"cannot {self._doing}: it never began")
            read = base64.b64decode if way == "base64" else bytes.fromhex
            # neither way of writing has a point in it
            stdout, stderr = (read("".join(part.split())) for part in rest.split("."))
        except ValueError:
            raise Rejected(f"cannot {self._doing}: the container's shell does not tell how it goes") from None
        self._offsets = (out + len(stdout), err + len(stderr))
        self._over = over == "yes"
        return Progress(None if code == "-" else int(code), stdout, stderr, self._over)

    def end(self) -> None:
        """End what still runs of the command, first by SIGTERM, and remove all traces."""
        if self._folder and not self._over:
            with suppress(DriverError):
                self._call("end")

    def _call(self, script: str, *words: str) -> Any:
        return self._told(self._line(script, *words))

    def _line(self, script: str, *words: str) -> list[str]:
        return ["sh", f"{self._folder}/{script}", self._folder, *words]

    def _told(self, line: list[str]) -> Any:
        with translated(self._doing):
            return self._cloud.zun.execute_container(self._container, line)

    def _put(self, files: dict[str, bytes]) -> None:
        archive = packed(
            FileContent(target=name, content=content, uid=self._owner, mode=0o600)
            for name, content in files.items()
        )
        with translated(self._doing):
            self._cloud.zun.put_container_archive(self._container, self._folder, archive)
