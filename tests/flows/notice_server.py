"""A web hook on loopback that keeps what Apprise posts to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class NoticeServer:
    """The hook's address for Apprise, and the notices that arrived."""

    url: str
    notices: list[dict[str, Any]] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        return [notice["title"] for notice in self.notices]


@contextmanager
def notice_server(status: int = 200) -> Iterator[NoticeServer]:
    """Run the hook, which answers with a status."""
    notices: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            notices.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield NoticeServer(f"json://127.0.0.1:{server.server_port}/", notices)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
