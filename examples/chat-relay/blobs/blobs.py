"""A store of files below /blobs. 3900, private: PUT /BUCKET, PUT /BUCKET/NAME, with the key. 3902, public: GET /BUCKET/NAME."""

import json
import os
import re
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

ROOT = Path("/blobs")
PATH = re.compile(r"/([\w-]+)(?:/([\w-][\w.-]*))?")


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, data=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def path_of(self):
        found = PATH.fullmatch(self.path)
        return (ROOT / found[1], found[2]) if found else (None, None)


class Reading(Handler):
    def do_GET(self):
        bucket, name = self.path_of()
        if bucket and name and (bucket / name).is_file():
            self.answer(200, (bucket / name).read_bytes())
        else:
            self.answer(404)


class Writing(Handler):
    def do_GET(self):
        self.answer(200 if self.path == "/health" else 404)

    def do_PUT(self):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        bucket, name = self.path_of()
        if self.headers.get("Authorization") != f"Bearer {os.environ['BLOBS_KEY']}":
            self.answer(403)
        elif bucket and name is None:
            made = not bucket.is_dir()
            bucket.mkdir(exist_ok=True)
            self.answer(201 if made else 200)
        elif bucket and bucket.is_dir():
            (bucket / f".{name}").write_bytes(data)
            (bucket / f".{name}").replace(bucket / name)
            tell(name, len(data))
            self.answer(201)
        else:
            self.answer(404, b"no such bucket\n")


def tell(name, size):
    """Let the relay know, at its private port."""
    told = json.dumps({"name": name, "size": size}).encode()
    try:
        urllib.request.urlopen(f"{os.environ['TELL_URL']}/stored", told, timeout=5).close()
    except OSError as error:  # the file is stored all the same
        print("the relay was not told:", error, flush=True)


if __name__ == "__main__":
    Thread(target=ThreadingHTTPServer(("", 3902), Reading).serve_forever, daemon=True).start()
    ThreadingHTTPServer(("", 3900), Writing).serve_forever()
