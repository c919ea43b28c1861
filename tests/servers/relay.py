"""A relay of the tests' own between a client and a server on loopback, which cuts connections in the middle."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

CHUNK_BYTES = 65536


@dataclass
class Relay:
    """A running relay."""

    port: int
    after_bytes: int  # from the server, after which it cuts a connection
    cuts: int  # how many connections it still cuts


@contextmanager
def running_relay(server_port: int, after_bytes: int, cuts: int) -> Iterator[Relay]:
    """Relay connections to a port of this machine, and cut the first ones that carry much."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay(listener.getsockname()[1], after_bytes, cuts)
        threading.Thread(target=_accept, args=(listener, server_port, relay), daemon=True).start()
        yield relay
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread


def _accept(listener: socket.socket, server_port: int, relay: Relay) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", server_port))
            threading.Thread(target=_pass_on, args=(client, server, relay), daemon=True).start()


def _pass_on(client: socket.socket, server: socket.socket, relay: Relay) -> None:
    """Pass on what either end sends, until one of them ends or the relay cuts the connection."""
    count = 0
    with client, server, suppress(OSError):
        while True:
            for here in select.select([client, server], [], [])[0]:
                if not (data := here.recv(CHUNK_BYTES)):
                    return
                count += len(data) if here is server else 0
                if relay.cuts and count > relay.after_bytes:
                    relay.cuts -= 1
                    return
                (client if here is server else server).sendall(data)
