"""Stacks in which something goes wrong: how long until that is said, and what is said."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from bench.contenders import OURS, PEER, Contender, Failed, Ran
from bench.results import Bar, Result, Row
from bench.session import Session, check, listener, needs

LAST_WORDS = "the disk is full, giving up"


def p1(session: Session) -> Result:
    """A dependency dies early while another one still takes long."""
    services = {
        "bad": {
            "image": "busybox",
            "init": True,
            "command": ["sh", "-c", f"sleep 1; echo {LAST_WORDS}; exit 7"],
            "healthcheck": check(interval="1s", retries=60),
        },
        "slow": listener(delay=15, healthcheck=check(interval="1s", retries=60)),
        "app": {
            "image": "busybox",
            "init": True,
            "command": ["sleep", "3600"],
            "depends_on": needs("bad", "slow"),
        },
    }
    file = session.write("p1", services)

    def timed(contender: Contender, file: Path) -> dict[str, float]:
        ran = contender.must(file, ["up", "-d"], expect=1)
        if contender is session.ours:
            expect_words(ran, "app", "bad", "7", LAST_WORDS)
        died = finished_at(session, contender.stack("p1"), "bad")
        return {"after death": ran.ended - died, "whole": ran.seconds}

    found = session.alternate(file, timed)
    after = Row(what="from the death of `bad` to the end of `up`", samples=found["after death"])
    return Result(
        scenario="p1",
        intent="`app` needs `bad`, which dies with code 7 after 1 s, and `slow`, healthy after 15 s.",
        rows=[after, Row(what="whole `up`", samples=found["whole"])],
        bars=[Bar(what="ours, worst, after the death", value=max(after.samples[OURS]), limit=2.0, unit=" s")],
        notes=["ours names the edge, the exit code and the last log line each time (checked)"],
    )


def p8(session: Session) -> Result:
    """A job that never ends, and an edge that has a timeout."""
    services = {
        "job": {"image": "busybox", "init": True, "command": ["sleep", "3600"]},
        "app": {
            "image": "busybox",
            "init": True,
            "command": ["sleep", "3600"],
            "depends_on": needs("job", condition="service_completed_successfully", **{"x-timeout": "5s"}),
        },
    }
    file = session.write("p8", services)

    def timed(contender: Contender, file: Path) -> dict[str, float]:
        if contender is session.peer:
            ran = contender.run(file, ["up", "-d"], limit=12)
            if ran.code is not None:
                raise Failed(f"docker compose ended with {ran.code}; it used to hang")
            return {"whole": ran.seconds}
        ran = contender.must(file, ["up", "-d"], expect=1)
        expect_words(ran, "app", "job", "5")
        began = started_at(session, contender.stack("p8"), "job")
        return {"after start": ran.ended - began, "whole": ran.seconds}

    found = session.alternate(file, timed)
    after = Row(what="from the start of `job` to the end of `up`", samples=found["after start"])
    return Result(
        scenario="p8",
        intent="`app` waits for the end of `job`, which never ends; the edge says `x-timeout: 5s`; `up -d`.",
        rows=[after, Row(what="whole `up`", samples=found["whole"])],
        bars=[
            Bar(what="ours, worst, after the start", value=max(after.samples[OURS]), limit=6.0, unit=" s"),
            Bar(
                what="ours, seconds before its time",
                value=max(0.0, 5.0 - min(after.samples[OURS])),
                limit=0.0,
            ),
        ],
        notes=[f"{PEER} does not know the timeout and is killed after 12 s"],
    )


def p12(session: Session) -> Result:
    """A database that crashes once and is brought back by its restart policy."""
    script = (
        "if [ -e /crashed ]; then exec httpd -f -p 8080; fi; touch /crashed; sleep 1; echo crashing; exit 1"
    )
    services = {
        "db": {
            "image": "busybox",
            "init": True,
            "command": ["sh", "-c", script],
            "restart": "on-failure",
            "healthcheck": check(interval="1s", retries=30),
        },
        "app": {
            "image": "busybox",
            "init": True,
            "command": ["sleep", "3600"],
            "depends_on": needs("db"),
        },
    }
    file = session.write("p12", services)
    codes: dict[str, list[int | None]] = {}
    said: list[str] = []

    def timed(contender: Contender, file: Path) -> dict[str, float]:
        ran = contender.run(file, ["up", "-d"])
        codes.setdefault(contender.name, []).append(ran.code)
        if contender is session.ours and ran.code != 0:
            said.append(ran.output.strip().splitlines()[-1])
        return {"up": ran.seconds}

    found = session.alternate(file, timed)
    failed = sum(code != 0 for code in codes[OURS])
    theirs = sorted({str(code) for code in codes[PEER]})
    return Result(
        scenario="p12",
        intent="`db` crashes once, `restart: on-failure` heals it; `app` waits for its health; `up -d`.",
        rows=[Row(what="`up`", samples=found["up"])],
        bars=[Bar(what="ours, runs that failed", value=failed, limit=0)],
        notes=[f"exit codes of {PEER}: {', '.join(theirs)}", *(f"ours said: {line}" for line in said)],
    )


def expect_words(ran: Ran, *words: str) -> None:
    """Raise Failed unless the output names all of these."""
    if lost := [word for word in words if word not in ran.output]:
        raise Failed(f"the output does not say {lost}:\n{ran.output}")


def finished_at(session: Session, stack: str, service: str) -> float:
    """Return when a service's container ended: the engine runs on this machine, so its clock is ours."""
    return _moment(session, stack, service, "FinishedAt")


def started_at(session: Session, stack: str, service: str) -> float:
    """Return when a service's container was started."""
    return _moment(session, stack, service, "StartedAt")


def _moment(session: Session, stack: str, service: str, key: str) -> float:
    labels = [f"com.docker.compose.project={stack}", f"com.docker.compose.service={service}"]
    found = session.engine.containers.list(all=True, filters={"label": labels})
    if len(found) != 1:
        raise Failed(f"{stack} has {len(found)} containers of {service}")
    return datetime.fromisoformat(found[0].attrs["State"][key][:26].rstrip("Z") + "+00:00").timestamp()
