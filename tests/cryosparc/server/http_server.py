"""What both protocols do with HTTP: bodies in pieces, answers, and lost connections."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryosparc_test_server.site import Fault


class QuietHandler(BaseHTTPRequestHandler):
    """HTTP in, HTTP out, and no log; the protocols say what is asked for."""

    protocol_version = "HTTP/1.1"
    # Header and body in one piece: the second would wait 40 ms for word of the first.
    wbufsize = -1

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _drop(self, fault: Fault) -> None:
        self.rfile.read(fault.after)
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, code: int, data: bytes, media: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class QuietServer(ThreadingHTTPServer):
    """Says nothing when a client goes away."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""
