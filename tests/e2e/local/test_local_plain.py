"""Without isolation services share the machine's network: a port counts only for who holds it."""

from __future__ import annotations

import socket

from tests.e2e.local.place import Place


def test_a_strangers_port_opens_no_gate(place: Place) -> None:
    place.options = ("--driver", "local", "--no-isolation")
    with socket.create_server(("0.0.0.0", 0)) as stranger:
        port = stranger.getsockname()[1]
        place.stack(
            {
                "web": {"expose": [str(port)]},
                "user": {
                    "depends_on": {
                        "web": {
                            "condition": "service_started",
                            "x-condition": "service_listening",
                            "x-timeout": "2s",
                        }
                    }
                },
            }
        )
        ran = place.run("up", "-d", expect=1)
    assert f"{port}/tcp is held by another process" in ran.err
    assert not place.processes("user")
