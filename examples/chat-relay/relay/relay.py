"""A chat relay with three ports. Its first argument says what it does: serve, migrate, bucket NAME, farewell.

8080, public:  POST /rooms/ROOM {author, text}    GET /rooms/ROOM?after=ID waits for news    PUT /attachments/NAME
9102, private: GET /metrics                       9103, private: POST /stored {name, size}, from the store of attachments
"""

import json
import os
import re
import socket
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from urllib.parse import parse_qs, unquote, urlsplit

import pg8000.native

NEWS = Condition()
WAIT = 20
GREETING = "welcome"


def database():
    url = urlsplit(os.environ["DATABASE_URL"])
    return pg8000.native.Connection(
        url.username, url.hostname, unquote(url.path[1:]), url.port, unquote(url.password), timeout=5
    )


def migrate():
    with database() as db:
        db.run(
            "CREATE TABLE IF NOT EXISTS messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " room text NOT NULL, author text NOT NULL, text text NOT NULL)"
        )


def add(room, author, text):
    with database() as db:
        values = {"room": room, "author": author, "text": text}
        [[number]] = db.run("INSERT INTO messages (room, author, text) VALUES (:room, :author, :text) RETURNING id", **values)
    with NEWS:
        NEWS.notify_all()
    return number


def messages(room, after):
    with database() as db:
        rows = db.run("SELECT id, author, text FROM messages WHERE room = :room AND id > :after ORDER BY id", room=room, after=after)
    return [dict(zip(("id", "author", "text"), row, strict=True)) for row in rows]


def store(path, data):
    """Put something into the store through its private port; return the status."""
    headers = {"Authorization": f"Bearer {os.environ['BLOBS_KEY']}"}
    request = urllib.request.Request(f"{os.environ['BLOBS_URL']}/{path}", data, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class People(Handler):
    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/health":
            with database() as db:
                db.run("SELECT 1")
            self.answer(200, {})
        elif found := re.fullmatch(r"/rooms/(\w+)", url.path):
            after = int(parse_qs(url.query).get("after", ["0"])[0])
            with NEWS:
                if "after" in url.query and not messages(found[1], after):
                    NEWS.wait(WAIT)
            self.answer(200, messages(found[1], after))
        else:
            self.answer(200, {"greeting": GREETING, "stage": os.environ["STAGE"]})

    def do_POST(self):
        sent = json.loads(self.body())
        if found := re.fullmatch(r"/rooms/(\w+)", self.path):
            self.answer(201, {"id": add(found[1], sent["author"], sent["text"])})
        else:
            self.answer(404, {})

    def do_PUT(self):
        data = self.body()
        if not re.fullmatch(r"/attachments/[\w-][\w.-]*", self.path):
            self.answer(404, {})
        elif "BLOBS_URL" not in os.environ:
            self.answer(503, {"error": "there is no store of attachments"})
        else:
            store(self.path[1:], data)
            self.answer(201, {"url": os.environ["BLOBS_PUBLIC_URL"] + self.path})


class Operator(Handler):
    def do_GET(self):
        with database() as db:
            self.answer(200, {"messages": db.run("SELECT count(*) FROM messages")[0][0]})


class Store(Handler):
    def do_POST(self):
        told = json.loads(self.body())
        add("files", "store", f"{told['name']} ({told['size']} bytes)")
        self.answer(200, {})


def serve():
    for port, handler in ((9102, Operator), (9103, Store)):
        Thread(target=ThreadingHTTPServer(("", port), handler).serve_forever, daemon=True).start()
    ThreadingHTTPServer(("", 8080), People).serve_forever()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["migrate"]:
            migrate()
        case ["bucket", name]:
            print(f"bucket {name}:", {201: "made", 200: "there already"}[store(name, b"")])
        case ["farewell"]:
            add("operators", socket.gethostname(), "farewell")
        case _:
            sys.exit(__doc__)
