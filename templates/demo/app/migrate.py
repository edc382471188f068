"""The migration job: hands the data to the store over TCP, once, and ends. It does not try twice."""

from __future__ import annotations

import os
import socket
import sys

PRICES = {"apple": "3", "pear": "4", "quince": "9"}
STORE = os.environ.get("STORE_HOST", "store"), int(os.environ.get("STORE_PORT", "7000"))


def main() -> int:
    migration = os.environ.get("MIGRATION", "prices")
    print(f"applying migration {migration}", flush=True)
    if migration != "prices":
        print(f"migration {migration}: no such table, giving up", flush=True)
        return 3
    try:
        write_prices()
    except OSError as error:
        print(f"the store is not there: {error}", flush=True)
        return 1
    print(f"{len(PRICES)} prices written", flush=True)
    return 0


def write_prices() -> None:
    with socket.create_connection(STORE, timeout=2) as connection:
        replies = connection.makefile()
        for key, value in {**PRICES, "schema": "1"}.items():
            connection.sendall(f"SET {key} {value}\n".encode())
            if replies.readline().strip() != "OK":
                raise ConnectionError(f"it did not take {key}")


if __name__ == "__main__":
    sys.exit(main())
