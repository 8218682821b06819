"""An automation tool in one file, standard library only. Its first argument says what it is:

editor      takes webhooks (POST /webhook/NAME, basic authentication) and lists runs (GET /runs); keeps all in /data/flow.db
worker      asks the editor for work and returns what came out
ask TEXT    asks for a run, as the clock does; is-working, backup and restore are what hostess.yml calls
"""

import base64
import hmac
import json
import os
import sqlite3
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

DATA, BACKUP = Path("/data/flow.db"), Path("/backup/flow.db")
BEAT = Path("/tmp/beat")
GREETING = "done"


def store():
    """Open the database; every change is on disk when its `with` ends."""
    db = sqlite3.connect(DATA, timeout=10)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, name TEXT, input TEXT, state TEXT, output TEXT)")
    return db


def add(name, given):
    with store() as db:
        return db.execute("INSERT INTO runs (name, input, state) VALUES (?, ?, 'waiting')", (name, given)).lastrowid


class Handler(BaseHTTPRequestHandler):
    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()

    def answer(self, status, value, headers=None):
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)


class Outside(Handler):
    def do_GET(self):
        with store() as db:
            rows = db.execute("SELECT id, name, input, state, output FROM runs ORDER BY id").fetchall()
        if self.path == "/health":
            self.answer(200, {"runs": len(rows)})
        elif self.path == "/runs":
            self.answer(200, [dict(zip(("id", "name", "input", "state", "output"), row, strict=True)) for row in rows])
        else:
            self.answer(200, {"webhooks": os.environ["WEBHOOK_URL"]})

    def do_POST(self):
        given = self.body()
        wanted = "Basic " + base64.b64encode(f"hook:{os.environ['WEBHOOK_PASSWORD']}".encode()).decode()
        if not hmac.compare_digest(self.headers.get("Authorization", ""), wanted):
            self.answer(401, {"error": "not signed in"}, {"WWW-Authenticate": 'Basic realm="webhooks"'})
        elif self.path.startswith("/webhook/"):
            self.answer(202, {"run": add(self.path.removeprefix("/webhook/"), given)})
        else:
            self.answer(404, {"error": "nothing here"})


class Inside(Handler):
    def do_POST(self):
        sent = json.loads(self.body())
        with store() as db:
            if self.path == "/claim":
                # What a worker took and never returned is given out again: a worker may be killed at any moment.
                row = db.execute("SELECT id, name, input FROM runs WHERE state = 'waiting' ORDER BY id LIMIT 1").fetchone()
                self.answer(200, row)
            elif self.path == "/return":
                db.execute("UPDATE runs SET state = 'done', output = ? WHERE id = ?", (sent["output"], sent["run"]))
                db.commit()
                self.answer(200, {})
            elif self.path == "/ask":
                self.answer(202, {"run": add("clock", sent["text"])})
            else:
                self.answer(404, {})


def ask_editor(path, value):
    request = urllib.request.Request(os.environ["EDITOR_URL"] + path, json.dumps(value).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def editor():
    inside = ThreadingHTTPServer(("", 5679), Inside)
    Thread(target=inside.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("", 5678), Outside).serve_forever()


def worker():
    while True:
        try:
            claimed = ask_editor("/claim", {})
            BEAT.touch()
            if claimed:
                run, name, given = claimed
                print("run", run, name, flush=True)
                ask_editor("/return", {"run": run, "output": f"{GREETING}: {given.upper()}"})
                continue
        except OSError as error:  # the editor pauses while it is handed over
            print("the editor does not answer:", error, flush=True)
        time.sleep(0.2)


def is_working():
    if time.time() - BEAT.stat().st_mtime > 30:
        sys.exit("nothing heard from the editor for 30 s")


def copy(origin, target):
    with sqlite3.connect(origin) as old, sqlite3.connect(target) as new:
        old.backup(new)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["editor"]:
            editor()
        case ["worker"]:
            worker()
        case ["ask", text]:
            print("run", ask_editor("/ask", {"text": text})["run"])
        case ["is-working"]:
            is_working()
        case ["backup"]:
            copy(DATA, BACKUP)
        case ["restore"]:
            copy(BACKUP, DATA)
        case _:
            sys.exit(__doc__)
