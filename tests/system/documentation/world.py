"""The host that readers of the pages have: the project shop that the pages speak of, and what such people have beside it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.system.host import Host, Repository, a_host, a_repository
from tests.system.sources import pushed, revised

ECHO = """    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    health: {http: /health, interval: 1s, retries: 3}
    resources: {cpu: 0.5, memory: 128Mi}
"""
STACK = f"""version: "1.0"
name: shop
services:
  web:
    type: custom
    build: {{source: .}}
    ports: [8000]
    visibility: public
    health: {{http: /health, interval: 1s, retries: 3}}
    resources: {{cpu: 0.5, memory: 128Mi}}
    env: {{DATABASE_URL: "${{database.url}}"}}
  web-next:
{ECHO}    visibility: public
  api:
{ECHO}    visibility: public
    env: {{DATABASE_URL: "${{database.url}}", CACHE_URL: "${{cache.url}}"}}
  board:
{ECHO}    visibility: team
  notes:
{ECHO}    persistence: {{mount: /notes}}
  database: {{type: postgres, resources: small, databases: per_service, special: {{version: 16}}}}
  cache: {{type: redis, resources: small}}
jobs:
  report:
    image: hostess-test/echo:1-sh
    command: [print, all is sold]
    run: manual
"""
MY_API = f"""version: "1.0"
name: my-api
services:
  api:
{ECHO}    visibility: public
"""
COMPOSE = "services:\n  web:\n    image: nginx\n    ports: ['80:80']\n"
TOOLS = {
    "uuidgen": "cat /proc/sys/kernel/random/uuid",
    "pass": "cat shop.key",
    "my-dns": 'echo "$1 $HOSTESS_DNS_NAME $HOSTESS_DNS_VALUE"',
    "asked": 'echo "$TOKEN"',
    "edited": 'echo another value >"$1"',
    "change": 'echo "ENV CHANGED=$(date +%N)" >>Dockerfile; git add --all; git commit --quiet --message change',
    "slow": "sed -i 's/echo:1$/echo:1-sh/' Dockerfile\n"
    """sed -i '0,/^    ports:/s//    lifecycle: {migrate: {command: [sleep, "500"]}}\\n&/' hostess.yml\n"""
    "git commit --quiet --all --message slow",
    "certificate": "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=shop.example.com"
    ' -addext subjectAltName=DNS:shop.example.com -out "$1" -keyout "$2"',
    "status": 'curl -s -o /dev/null -w "%{http_code}" -H "Host: $1" "http://$PROXY${2:-/}"',
}
"""Programs that people have: a password manager, a script for DNS, an editor; what the tests use to change and ask an app is there, too."""


@contextmanager
def a_host_of_readers(folder: Path) -> Iterator[Host]:
    """Give a host with TLS, a key for its bundles, notices, and the project shop in its second version."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in TOOLS.items():
        path = folder / "tools" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\nset -e\n{script}\n")
        path.chmod(0o700)
    key = subprocess.run(
        [sys.executable, "-m", "hostess", "host", "key", "host-key.txt"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    settings = {
        "HOSTESS_PROXY__HTTPS": "127.0.0.1:0",
        "HOSTESS_API__HOST": "localhost",
        "HOSTESS_HOST_BACKUP__ENCRYPT_TO": key.stdout.strip(),
        "HOSTESS_NOTIFY__COMMAND": f"/usr/bin/tee -a {folder}/notices",
    }
    with a_host(folder / "host", settings) as host:
        fill(host)
        yield host


def fill(host: Host) -> None:
    """Push the project shop, twice, and give it an environment for trying things out."""
    files = {
        "hostess.yml": STACK,
        "Dockerfile": "FROM hostess-test/echo:1\n",
        "api/main.py": "from fastapi import FastAPI\n\napp = FastAPI()\n",
        "api/requirements.txt": "fastapi\n",
    }
    repository = a_repository(host, "shop", files)
    pushed(repository)
    revised(repository, {"Dockerfile": "FROM hostess-test/echo:1\nENV SECOND=yes\n"})
    made = host.hostess("environments", "create", "staging", "-p", "shop")
    assert made.returncode == 0, made.stderr


def fact(host: Host, file: str, name: str) -> str:
    """Return what daemon or proxy tell about themselves."""
    return str(json.loads((host.data / "run" / f"{file}.json").read_text())[name])


def newest(host: Host, *listing: str, **having: str) -> str:
    """Return the id of the newest thing that a command lists, with these values."""
    listed = host.hostess(*listing, "-o", "json")
    assert listed.returncode == 0, listed.stderr
    read = json.loads(listed.stdout)
    items = read["items"] if isinstance(read, dict) else read
    return str(next(each["id"] for each in items if all(each[name] == value for name, value in having.items())))


def environment(host: Host, home: Path) -> Mapping[str, str]:
    """Return what somebody on the server has in the shell: no token, for the daemon's socket lets them in."""
    hidden = {"HOSTESS_URL", "HOSTESS_TOKEN", "HOSTESS_CA_FILE"}
    kept = {name: value for name, value in host.environment.items() if name not in hidden}
    tools = host.folder.parent / "tools"
    return {
        **kept,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:{tools}",
        "GIT_ASKPASS": str(tools / "asked"),
        "EDITOR": str(tools / "edited"),
        "TOKEN": host.token,
        "PROXY": fact(host, "proxy", "http"),
    }


def checkout(host: Host, page: str, folder: Path) -> Path:
    """Make the folder in which a page is read: of the project that it speaks of, with a remote unless the page adds it."""
    work = folder / "work"
    if page == "README.md":
        return a_repository(host, "my-api", {"hostess.yml": MY_API}).folder
    subprocess.run(
        ["git", "clone", "--quiet", "--origin", "there", Repository(work, host, "shop").url, str(work)],
        env=host.environment,
        check=True,
        capture_output=True,
    )
    if page != "access.md":
        url = f"http://x@{host.api}/git/shop.git"
        subprocess.run(["git", "remote", "add", "hostess", url], cwd=work, check=True)
    (work / "docker-compose.yml").write_text(COMPOSE)
    return work
