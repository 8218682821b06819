"""`source:` on real parts: folders without a Dockerfile, pushed, built with the package indexes, and asked through the proxy."""

import json
import shutil
from pathlib import Path

from tests.system.host import Host, a_repository, docker
from tests.system.sources import ask, built, checkout, deployed, inspected, only, revised

STACK = """version: "1.0"
services:
  pip:
    type: fastapi
    source: ./pip
    visibility: public
    health: {http: /health, interval: 1s}
  project:
    type: fastapi
    source: ./project
    visibility: public
    health: {http: /health, interval: 1s}
  node:
    type: custom
    source: ./node
    visibility: public
    health: {http: /health, interval: 1s}
  procfile:
    type: custom
    source: ./procfile
    visibility: public
    ports: [9000]
    health: {http: /health, interval: 1s}
    persistence: {mount: /data}
"""
APP = """import os
import pwd

from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
def health() -> dict[str, str]:
    return {"user": pwd.getpwuid(os.getuid()).pw_name, "version": "1"}
"""
SERVE = """import http.server
import pathlib
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        pathlib.Path("/data/seen").write_text("yes")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(pathlib.Path("/data/seen").read_bytes())


http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
"""
SERVER = """const ms = require("ms");
const answer = JSON.stringify({ minute: ms(60000), user: require("os").userInfo().username });
require("http")
  .createServer((_, response) => response.writeHead(200, { "content-type": "application/json" }).end(answer))
  .listen(process.env.PORT);
"""
PYPROJECT = """[project]
name = "project"
version = "1"
requires-python = ">=3.11"
dependencies = ["fastapi>=0.110", "uvicorn>=0.30"]
"""
PACKAGE = {"name": "node", "version": "1.0.0", "scripts": {"start": "node server.js"}, "dependencies": {"ms": "2.1.3"}}
LOCK = {
    "name": "node",
    "version": "1.0.0",
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "node", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}},
        "node_modules/ms": {"version": "2.1.3"},
    },
}
COMMAND = "{{json .Config.Cmd}} {{.Config.User}} {{.Config.WorkingDir}}"
NODE = '["node","server.js"] node /app'
FILES = {
    "hostess.yml": STACK,
    "pip/requirements.txt": "fastapi>=0.110\n",
    "pip/app/main.py": APP,
    "pip/Dockerfile": "FROM nowhere.invalid/ignored:1\n",
    "project/pyproject.toml": PYPROJECT,
    "project/src/shop/__init__.py": "",
    "project/src/shop/main.py": APP,
    "node/package.json": json.dumps(PACKAGE),
    "node/package-lock.json": json.dumps(LOCK),
    "node/server.js": SERVER,
    "procfile/Procfile": "web: python serve.py $PORT\n",
    "procfile/serve.py": SERVE,
}


def test_four_kinds_of_projects(host: Host) -> None:
    """One push builds requirements.txt, pyproject.toml, npm and a Procfile without a Dockerfile; all answer, none runs as root."""
    output = deployed(host, "kinds", FILES)

    assert "pip: recognised Python 3.12 with requirements.txt; start: uvicorn app.main:app --host 0.0.0.0" in output
    assert "project: recognised Python 3.12 with pyproject.toml; start: uvicorn shop.main:app" in output
    assert "node: recognised Node 22 with package-lock.json; start: node server.js" in output
    assert "procfile: recognised Python 3.12 with no list of dependencies; start: python serve.py $PORT" in output
    assert ask(host, "kinds-pip", "/health") == (200, {"user": "app", "version": "1"})
    assert ask(host, "kinds-project", "/health") == (200, {"user": "app", "version": "1"})
    assert ask(host, "kinds-node", "/health") == (200, {"minute": "1m", "user": "node"})
    assert host.get("kinds-procfile.localhost")[:2] == (200, "yes")
    # The init process and the program, which took the place of the shell that read $PORT, and so gets the signals.
    # Numbers of processes start again from the beginning some day, so the order tells nothing.
    _, *processes = docker("top", only(host, "kinds", "procfile"), "-o", "pid,args").splitlines()
    assert sorted(process.endswith("python serve.py 9000") for process in processes) == [False, True]

    changed = revised(checkout(host, "kinds"), {"pip/app/main.py": APP.replace('"1"', '"2"')})

    assert built(changed) == ["pip"]
    assert "pip install -r requirements.txt (cached)" in changed
    assert ask(host, "kinds-pip", "/health") == (200, {"user": "app", "version": "2"})


def test_what_detect_prints_can_be_committed(host: Host, tmp_path: Path) -> None:
    """The output of `hostess detect`, committed as Dockerfile and built with `build:`, makes the same container."""
    files = {name: text for name, text in FILES.items() if name.startswith("node/")}
    stack = (
        "services:\n  node: {type: custom, source: ./node, visibility: public, health: {http: /health, interval: 1s}}\n"
    )
    deployed(host, "committed", {"hostess.yml": stack, **files})
    folder = host.folder / "work" / "committed" / "node"

    detected = host.hostess("detect", str(folder), "--project", "committed")

    assert detected.returncode == 0, detected.stderr
    assert "recognised Node 22 with package-lock.json, type custom" in detected.stderr
    old = only(host, "committed", "node")
    assert inspected(old, COMMAND) == NODE
    changed = {
        "hostess.yml": stack.replace("source: ./node", "build: {source: ./node}"),
        "node/Dockerfile": detected.stdout,
    }
    output = revised(checkout(host, "committed"), changed)
    assert "npm ci --omit=dev (cached)" in output
    new = [one for one in host.containers("project=committed", "service=node") if one != old]
    assert [inspected(one, COMMAND) for one in new] == [NODE]
    shutil.copytree(folder, tmp_path / "node")
    (tmp_path / "node" / "package.json").unlink()
    missing = host.hostess("detect", str(tmp_path / "node"))
    assert missing.returncode == 2
    assert "looked for" in missing.stderr


def test_a_folder_that_is_not_recognised(host: Host) -> None:
    """A push of a folder that nothing is known of is rejected, with what was looked for and what to do."""
    files = {
        "hostess.yml": "services:\n  site: {type: custom, source: ./site}\n",
        "site/main.go": "package main\n",
        "site/go.mod": "",
    }

    pushed = a_repository(host, "unknown", files).push()

    assert pushed.returncode != 0
    assert "services.site.source (site): looked for uv.lock, " in pushed.stderr
    assert "found go.mod (Go)" in pushed.stderr
    assert "write a Dockerfile and use `build:`" in pushed.stderr
