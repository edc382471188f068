"""The words for our own attributes. docs/readiness.md says what is behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PORTABLE = "The spelling that docker compose passes over; it wins over"

_TIMING: Mapping[str, Any] = {
    "interval": "The time between two looks. Default: 1s.",
    "timeout": "How long one look may take. Default: 5s.",
    "deadline": "How long this probe is waited for in all. Default: as long as the gate waits.",
    "successes": "Good answers in a row that are needed. Default: 1.",
}

_PORT = "The port, from 1 to 65535."

_REQUEST: Mapping[str, Any] = {
    "path": "What is asked for, with a query if there is one. Default: `/`.",
    "scheme": "`http` (the default) or `https`; certificates are not checked.",
    "method": "The request's method. Default: `GET`.",
    "status": (
        "Which answers are good: a status such as `200`, a range such as `200-299`, or a list. Default: "
        "`200-399`."
    ),
    "headers": "Headers that are sent, by name.",
    "body": "A regular expression that must be found in the answer's body.",
}
_HOST = "The host's name or address."

_KINDS: Mapping[str, Any] = {
    "tcp": {"": "A connection to a port of the container: the port, or a mapping.", "port": _PORT},
    "http": {
        "": "A request to the container: a port, an address such as `:8080/up`, or a mapping.",
        "port": _PORT,
        **_REQUEST,
    },
    "listening": {
        "": (
            "true: all declared ports are bound where others can reach them. Or one port, or a list of ports."
        ),
    },
    "exec": (
        "A command in the container that exits with 0: a list runs as it is, a string in the container's "
        "shell."
    ),
    "log": "A regular expression that is found in a line of the log since the container's start.",
}


def _probes(text: str, kinds: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = {**kinds, **_TIMING}
    return {"": text, "[]": inner, **inner}


_READINESS = (
    "What the service is ready by: one probe or a list of them, which must all hold. Without it a service "
    "is ready by its healthcheck, else by its ports, else once it was started."
)

_OUTSIDE_KINDS: Mapping[str, Any] = {
    "tcp": {
        "": "A connection to something outside the stack: `HOST:PORT`, or a mapping.",
        "host": _HOST,
        "port": _PORT,
    },
    "http": {
        "": "A request to something outside the stack: a URL, or a mapping.",
        "host": _HOST,
        "port": "The port, from 1 to 65535. Default: the scheme's.",
        **_REQUEST,
    },
}
_OUTSIDE_READINESS = "What it is ready by: one probe or a list of them, which must all hold."

_GATE = "What the short form of `depends_on` waits for, with or without `service_` in front."

STACK: Mapping[str, Any] = {
    "": "What zun-compose alone knows of the stack. docker compose passes over it.",
    "gate": f"{_GATE} Default: started. `--gate` wins over it.",
    "externals": {
        "": "Things outside the stack that services wait for by `x-depends-on`, by name.",
        ".*": {
            "": "Something outside the stack, and how it is asked whether it is ready.",
            "readiness": _probes(_OUTSIDE_READINESS, _OUTSIDE_KINDS),
            "x-readiness": _probes("The same as `readiness`.", _OUTSIDE_KINDS),
            **_OUTSIDE_KINDS,
            **_TIMING,
        },
    },
}

_BOUNDS: Mapping[str, str] = {
    "timeout": "How long this gate waits, from the start of the other's container; a bare number is seconds.",
    "retries": "Crashes of the other that are forgiven. Default: as many as its restart policy allows.",
    "replicas": "How many containers of the other must be there: `all` (the default), `any`, or a number.",
}
_PORTABLE_BOUNDS = {f"x-{name}": f"{text} {_PORTABLE} `{name}`." for name, text in _BOUNDS.items()}

EDGE: Mapping[str, Any] = {
    **{
        f".*.{name}": f"{text} docker compose refuses it; `x-{name}` is portable."
        for name, text in _BOUNDS.items()
    },
    ".*.x-condition": (
        f"What is waited for, with or without `service_` in front. {_PORTABLE} `condition`, which then "
        "speaks to docker compose alone."
    ),
    **{f".*.{name}": text for name, text in _PORTABLE_BOUNDS.items()},
}

SERVICE: Mapping[str, Any] = {
    "readiness": _probes(f"{_READINESS} docker compose refuses it; `x-readiness` is portable.", _KINDS),
    "x-readiness": _probes(f"{_READINESS} {_PORTABLE} `readiness`.", _KINDS),
    "x-zun": {
        "": "What zun-compose alone knows of the service. docker compose passes over it.",
        "job": "true: it is meant to end. So is what others wait for by its completion.",
        "once": "true: a job that is done does not run again.",
        "gate": f"{_GATE} Default: as the stack says.",
        "fate": "What its containers do under the memory driver: see docs/memory-driver.md.",
        "hints": {
            "": "Hints for Zun's scheduler.",
            ".*": "What a hint says: under `label:KEY` the value that a host's label of that key must have.",
        },
        "availability_zone": "The availability zone of Zun that its containers go to. Default: the cloud's.",
        "host": "The compute host that its containers go to; for admins, by Zun's default policy.",
        "cpu_policy": "Whether its containers have CPUs of their own: `dedicated`, with `cpus`, or `shared`.",
        "image_driver": (
            "Where Zun takes the image from: `docker` is a registry, `glance` OpenStack's image store, as "
            "`image: glance://NAME` says too. Default: the cloud's."
        ),
        "auto_heal": "true: Zun makes a container anew when its host has lost it.",
        "auto_remove": "true: Zun removes a container when it ends, and with it what its end was.",
    },
    "x-depends-on": {
        "": "Things outside the stack that must be ready before this service starts: names, or a mapping.",
        ".*": "An edge to something outside.",
        ".*.condition": "Only `ready` can be waited for.",
        ".*.x-condition": "The same as `condition`.",
        **{f".*.{name}": text for name, text in _BOUNDS.items()},
        **{f".*.x-{name}": f"The same as `{name}`." for name in _BOUNDS},
        ".*.required": "false: a failure is a warning.",
        ".*.restart": "It has no meaning here: what is outside is never restarted.",
    },
}
