"""A proxy before a server that loses answers: the request arrives, and the connection is cut."""

import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse


class LossyProxy:
    """Forwards requests to a server, and cuts the connection instead of passing on every n-th answer.

    Args:
        url: of the server.
        every: n; 1 loses all answers.
    """

    def __init__(self, url: str, *, every: int) -> None:
        self.requests, self.lost = 0, 0
        counting = threading.Lock()
        target = urlparse(url).netloc
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {
                    key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")
                }
                upstream = http.client.HTTPConnection(target, timeout=60)
                upstream.request(self.command, self.path, body, headers)
                answer = upstream.getresponse()
                content = answer.read()
                upstream.close()
                with counting:
                    proxy.requests += 1
                    loses = proxy.requests % every == 0
                    proxy.lost += loses
                self.close_connection = True
                if loses:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815 - the names of the base class

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
