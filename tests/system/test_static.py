"""Static services through real pushes: a plain site, one that npm builds, rules, and versions that change under load."""

import http.client
import threading
from collections import Counter
from contextlib import closing

from tests.system.host import Host, Repository, a_repository

PLAIN = """services:
  site:
    type: static
    source: public
  app:
    type: static
    source: app.html
"""
BUILT = """services:
  site:
    type: static
    source: .
    env: {API_URL: "${site.external_url}/api"}
    special: {spa: true}
"""
BUILD = """const fs = require("fs");
fs.mkdirSync("dist/assets", {recursive: true});
fs.writeFileSync("dist/index.html", `version VERSION ${process.env.API_URL} `.repeat(200));
fs.writeFileSync("dist/assets/app.3f2a9c1b.js", "let v = VERSION;".repeat(1000));
fs.writeFileSync("dist/_headers", "/*\\n  X-Version: VERSION\\n");
"""


def plain(version: str) -> dict[str, str]:
    """Return a plain site that says its version in body and header."""
    return {
        "hostess.yml": PLAIN,
        "public/index.html": f"version {version} " * 20_000,
        "public/docs/index.html": "docs",
        "public/404.html": "nothing here",
        "public/.env": "SECRET",
        "public/_redirects": "/old /docs/ 302\n/blog/* /docs/:splat 200\n",
        "public/_headers": f"/*\n  X-Version: {version}\n",
        "app.html": "one page",
    }


def built(version: str) -> dict[str, str]:
    """Return a project whose build script writes dist/."""
    package = '{"name": "site", "version": "1.0.0", "private": true, "scripts": {"build": "node build.js"}}'
    return {"hostess.yml": BUILT, "package.json": package, "build.js": BUILD.replace("VERSION", version)}


def pushed(repository: Repository) -> str:
    """Push what must work; return what was said."""
    done = repository.push()
    assert done.returncode == 0, done.stderr + repository.host.log()
    return done.stderr


def test_a_plain_site(host: Host) -> None:
    """A plain folder and a single page are live after a push, with rules, 404 and fields, and no container runs."""
    output = pushed(a_repository(host, "plain", plain("1")))

    assert "site  http://plain-site.localhost" in output
    status, body, fields = host.get("plain-site.localhost")
    assert (status, body[:9], fields["x-version"]) == (200, "version 1", "1")
    assert (fields["content-type"], fields["cache-control"]) == ("text/html; charset=utf-8", "no-cache")
    assert host.get("plain-app.localhost")[1] == "one page"
    assert host.get("plain-site.localhost", "/blog/")[1] == "docs"
    assert host.get("plain-site.localhost", "/old")[2]["location"] == "/docs/"
    assert host.get("plain-site.localhost", "/none")[:2] == (404, "nothing here")
    assert host.get("plain-site.localhost", "/.env")[0] == 404
    assert host.get("plain-site.localhost", "/..%2f..%2f..%2fkey")[0] == 400
    assert host.containers("project=plain") == []
    listed = host.hostess("services", "list", "--project", "plain")
    assert "running" in listed.stdout, listed.stdout + listed.stderr


def test_a_site_that_is_built(host: Host) -> None:
    """A Node project is built with its environment resolved; what it made is served, and nothing of the project besides."""
    repository = a_repository(host, "built", built("1"))
    pushed(repository)

    status, body, _ = host.get("built-site.localhost")
    assert (status, body[:10]) == (200, "version 1 ")
    assert "http://built-site.localhost" in body
    assert host.get("built-site.localhost", "/package.json")[1] == body  # spa
    asset = host.get("built-site.localhost", "/assets/app.3f2a9c1b.js")
    assert "immutable" in asset[2]["cache-control"]
    assert host.containers("project=built") == []
    repository.commit("nothing")
    assert "unchanged, carried over" in pushed(repository)


def test_versions_under_load(host: Host) -> None:
    """New versions and a rollback under load fail no request, and each answer is of one version, header and body alike."""
    repository = a_repository(host, "busy", plain("1"))
    pushed(repository)
    stop, seen, wrong = threading.Event(), Counter[str](), list[str]()

    def ask() -> None:
        with closing(http.client.HTTPConnection(*host.proxy, timeout=120)) as connection:
            ask_on(connection)

    def ask_on(connection: http.client.HTTPConnection) -> None:
        while not stop.is_set():
            try:
                connection.request("GET", "/", headers={"Host": "busy-site.localhost"})
                answer = connection.getresponse()
                body = answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                wrong.append(repr(error))
                connection.close()
                continue
            version = answer.headers["X-Version"]
            seen[version] += 1
            if answer.status != 200 or body != f"version {version} " * 20_000:
                wrong.append(f"{answer.status} {version} {body[:20]}")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for version in ("2", "3"):
            repository.write(plain(version))
            repository.commit(version)
            pushed(repository)
        assert host.hostess("rollback", "--project", "busy").returncode == 0
        collected = host.hostess("gc")
    finally:
        stop.set()
        for thread in threads:
            thread.join(150)

    assert not wrong
    assert collected.returncode == 0, collected.stderr
    assert set(seen) == {"1", "2", "3"}
    assert host.get("busy-site.localhost")[2]["x-version"] == "2"


def test_a_build_that_makes_nothing(host: Host) -> None:
    """A build that makes another folder than expected is refused in a sentence, and nothing is live."""
    files = built("1") | {"build.js": "console.log('built nothing')"}

    refused = a_repository(host, "empty", files).push()

    assert refused.returncode != 0
    assert "the build made no folder dist: set special.output" in refused.stderr
    assert host.get("empty-site.localhost")[0] == 404
