"""Functions by name: POST /NAME with JSON calls it."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def greet(given):
    return {"greeting": f"Hello, {given.get('name', 'world')}"}


def total(given):
    return {"total": sum(given["numbers"])}


FUNCTIONS = {"greet": greet, "total": total}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200 if self.path == "/health" else 404, {})

    def do_POST(self):
        called = FUNCTIONS.get(self.path.removeprefix("/"))
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200, called(given)) if called else self.answer(404, {"error": "no such function"})

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
