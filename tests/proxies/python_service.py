"""A service that knows nothing of tokens. It answers who called, as the sidecar tells it, and prints a line for each call."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        message = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(float(self.headers.get("X-Takes", 0)))
        caller = {name.lower(): value for name, value in self.headers.items() if "auth" in name.lower()}
        answer = json.dumps({"caller": caller, "message": message.decode()}).encode()
        print(self.path, flush=True)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
