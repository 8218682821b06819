"""Six parts of a backend platform; the first argument says which: auth, rest, realtime, storage, analytics, mailer.

`migrate` makes the tables, `is-mailing` is the mailer's health check.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import unquote, urlsplit

import pg8000.native
import redis

OBJECTS = Path("/srv/objects")
TABLES = """
CREATE TABLE IF NOT EXISTS users (email text PRIMARY KEY, password text NOT NULL);
CREATE TABLE IF NOT EXISTS todos (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner text NOT NULL, text text NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, address text NOT NULL, text text NOT NULL);
GRANT SELECT, INSERT ON todos TO authenticated;
"""


def database():
    url = urlsplit(os.environ["DATABASE_URL"])
    return pg8000.native.Connection(
        url.username, url.hostname, unquote(url.path[1:]), url.port, unquote(url.password), timeout=5
    )


def cache():
    return redis.Redis.from_url(os.environ["CACHE_URL"], socket_timeout=20, decode_responses=True)


def signature(email):
    return hmac.new(os.environ["JWT_SECRET"].encode(), email.encode(), "sha256").hexdigest()


def hashed(password, salt):
    return f"{salt}:{hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=4096, r=8, p=1).hex()}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing: the gateway has a log of its own."""

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def user(self):
        """Return who is signed in, or None."""
        email, _, signed = self.headers.get("Authorization", "").removeprefix("Bearer ").rpartition(".")
        return email if email and hmac.compare_digest(signed, signature(email)) else None

    def answer(self, status, value):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream" if isinstance(value, bytes) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer(200, {"state": "well"}) if self.path == "/health" else self.answer(404, {})


class Auth(Handler):
    def do_POST(self):
        sent = json.loads(self.body())
        with database() as db:
            found = db.run("SELECT password FROM users WHERE email = :email", email=sent["email"])
            if self.path == "/signup" and not found:
                password = hashed(sent["password"], secrets.token_hex(16))
                db.run("INSERT INTO users VALUES (:email, :password)", email=sent["email"], password=password)
                cache().rpush("letters", json.dumps({"address": sent["email"], "text": "Welcome!"}))
                self.answer(201, {})
            elif self.path == "/token" and found and found[0][0] == hashed(sent["password"], found[0][0].partition(":")[0]):
                self.answer(200, {"token": f"{sent['email']}.{signature(sent['email'])}"})
            else:
                self.answer(409 if self.path == "/signup" else 401, {})


class Rest(Handler):
    def do_GET(self):
        if self.path == "/todos":
            self.todos("SELECT text FROM todos WHERE owner = :owner ORDER BY id")
        else:
            super().do_GET()

    def do_POST(self):
        self.todos("INSERT INTO todos (owner, text) VALUES (:owner, :text) RETURNING text", text=json.loads(self.body())["text"])

    def todos(self, statement, **values):
        user = self.user()
        if user is None:
            return self.answer(401, {})
        with database() as db:
            db.run("SET ROLE authenticated")  # may do what todos need, and nothing else
            self.answer(200, [row[0] for row in db.run(statement, owner=user, **values)])


class Realtime(Handler):
    """Whatever one WebSocket client says all of them hear. Text of up to 125 bytes is enough here."""

    clients = set()
    lock = Lock()

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() != "websocket":
            return super().do_GET()
        accept = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
        self.send_response(101)
        for name, value in {"Upgrade": "websocket", "Connection": "Upgrade"}.items():
            self.send_header(name, value)
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept.digest()).decode())
        with self.lock:  # who has its answer hears everything from then on
            self.end_headers()
            self.clients.add(self.wfile)
        self.close_connection = True
        self.listen()

    def listen(self):
        try:
            while (head := self.rfile.read(2)) and head[0] & 15 == 1:
                mask = self.rfile.read(4)
                text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(head[1] & 127)))
                with self.lock:
                    for client in self.clients:
                        client.write(struct.pack("BB", 0x81, len(text)) + text)
        finally:
            with self.lock:
                self.clients.discard(self.wfile)


class Storage(Handler):
    def do_GET(self):
        found = re.fullmatch(r"/([\w-][\w.-]*)", self.path)
        if found and (OBJECTS / found[1]).is_file():
            self.answer(200, (OBJECTS / found[1]).read_bytes())
        else:
            super().do_GET()

    def do_PUT(self):
        data, found = self.body(), re.fullmatch(r"/([\w-][\w.-]*)", self.path)
        if self.user() is None or found is None:
            return self.answer(401 if found else 404, {})
        (OBJECTS / f".{found[1]}").write_bytes(data)
        (OBJECTS / f".{found[1]}").replace(OBJECTS / found[1])
        self.answer(201, {})


class Analytics(Handler):
    def do_GET(self):
        self.answer(200, cache().hgetall("counts")) if self.path == "/counts" else super().do_GET()

    def do_POST(self):
        self.answer(202, {"count": cache().hincrby("counts", self.body().decode(), 1)})


def mailer():
    """Send each letter, here: write it down. A letter leaves the list of those under way only after that."""
    letters = cache()
    while letters.lmove("sending", "letters", "LEFT", "LEFT"):
        pass
    while True:
        letter = letters.blmove("letters", "sending", 10, "LEFT", "RIGHT")
        if letter:
            with database() as db:
                db.run("INSERT INTO outbox (address, text) VALUES (:address, :text)", **json.loads(letter))
            letters.lrem("sending", 1, letter)


PARTS = {"auth": Auth, "rest": Rest, "realtime": Realtime, "storage": Storage, "analytics": Analytics}

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["migrate"]:
            with database() as db:
                db.run(TABLES)
        case ["mailer"]:
            mailer()
        case ["is-mailing"]:
            cache().ping()
        case [part] if part in PARTS:
            ThreadingHTTPServer(("", int(os.environ["PORT"])), PARTS[part]).serve_forever()
        case _:
            sys.exit(__doc__)
