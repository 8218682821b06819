"""A small CMS. `cms.py migrate` makes its table, `cms.py serve` serves.

GET /  the list of pages                 GET /pages/NAME  a page           GET /uploads/NAME  a file
with the admin's token:                  PUT /pages/NAME  {title, body}    PUT /uploads/NAME  the file's bytes
"""

import json
import os
import re
import sys
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pg8000.native
import redis

UPLOADS = Path("/srv/uploads")
THEME = "plain"


def database():
    """Open a connection; to be used with `with`."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return pg8000.native.Connection(
        url.username, url.hostname, unquote(url.path[1:]), url.port or 5432, unquote(url.password), timeout=5
    )


def cache():
    return redis.Redis.from_url(os.environ["CACHE_URL"], socket_timeout=2)


def migrate():
    with database() as db:
        db.run("CREATE TABLE IF NOT EXISTS pages (name text PRIMARY KEY, title text NOT NULL, body text NOT NULL)")
        print("pages:", db.run("SELECT count(*) FROM pages")[0][0])


def page(name):
    """Return a page and where it was found, or None."""
    if kept := cache().get(f"page:{name}"):
        return json.loads(kept), "cache"
    with database() as db:
        rows = db.run("SELECT title, body FROM pages WHERE name = :name", name=name)
    if not rows:
        return None
    found = {"title": rows[0][0], "body": rows[0][1]}
    cache().set(f"page:{name}", json.dumps(found), ex=300)
    return found, "database"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            cache().ping()
            with database() as db:
                db.run("SELECT 1")
            self.answer(200, "well\n")
        elif self.path == "/":
            with database() as db:
                names = [row[0] for row in db.run("SELECT name FROM pages ORDER BY name")]
            # Links outside: ${cms.external_url} is where this very service is reached.
            pages = [f"{os.environ['PUBLIC_URL']}/pages/{name}" for name in names]
            self.answer(200, json.dumps({"theme": THEME, "pages": pages}), "application/json")
        elif name := self.name("/pages/"):
            found, origin = page(name) or (None, "nowhere")
            if found is None:
                return self.answer(404, "no such page\n")
            text = f"<!doctype html><title>{escape(found['title'])}</title><main>{escape(found['body'])}</main>"
            self.answer(200, text, "text/html; charset=utf-8", {"X-From": origin})
        elif (name := self.name("/uploads/")) and (UPLOADS / name).is_file():
            self.answer(200, (UPLOADS / name).read_bytes(), "application/octet-stream")
        else:
            self.answer(404, "nothing here\n")

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Bearer {os.environ['ADMIN_TOKEN']}":
            self.answer(401, "the admin's token is needed\n")
        elif name := self.name("/pages/"):
            sent = json.loads(body)
            with database() as db:
                db.run(
                    "INSERT INTO pages VALUES (:name, :title, :body)"
                    " ON CONFLICT (name) DO UPDATE SET title = excluded.title, body = excluded.body",
                    name=name, title=sent["title"], body=sent["body"],
                )
            cache().delete(f"page:{name}")
            self.answer(201, f"{os.environ['PUBLIC_URL']}/pages/{name}\n")
        elif name := self.name("/uploads/"):
            (UPLOADS / f".{name}").write_bytes(body)
            (UPLOADS / f".{name}").replace(UPLOADS / name)
            self.answer(201, f"{os.environ['PUBLIC_URL']}/uploads/{name}\n")
        else:
            self.answer(404, "nothing here\n")

    def name(self, prefix):
        found = re.fullmatch(re.escape(prefix) + r"([A-Za-z0-9][\w.-]{0,99})", self.path)
        return found[1] if found else None

    def answer(self, status, text, kind="text/plain; charset=utf-8", headers=None):
        data = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        migrate()
    else:
        ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
