"""Static services through the whole way of a push: files copied or built, carried over, rolled back, collected, refused."""

from pathlib import Path

import pytest

from hostess.domain.problem import Problem
from hostess.domain.releases.release import StaticSite
from tests.world import Bench

HOST = "shop-site.localhost"
STACK = "services:\n  site:\n    type: static\n    source: {source}\n{more}"
PACKAGE = '{"name": "x", "version": "1.0.0", "scripts": {"build": "node build.js"}}'


def stack(source: str = "public", more: str = "") -> dict[str, str]:
    """Return hostess.yml with one static service."""
    return {"hostess.yml": STACK.format(source=source, more=more)}


def plain(text: str = "one") -> dict[str, str]:
    """Return a site of two files."""
    return {**stack(), "public/index.html": text, "public/css/a.css": "a{}" * 1000, "public/.htpasswd": "x"}


def built(text: str = "one", more: str = "") -> dict[str, str]:
    """Return a Node project; the fake engine takes its committed dist for what the build makes."""
    return {**stack("app", more), "app/package.json": PACKAGE, "app/build.js": "", "app/dist/index.html": text}


async def folder(bench: Bench) -> Path:
    """Return the folder that is routed."""
    live = await bench.live("shop")
    assert live is not None
    site = live.workloads["site"].static
    assert site is not None
    [route] = [route for route in bench.router.tables[-1] if route.host == HOST]
    assert (route.static, route.targets, route.release) == (site, (), live.title)
    return bench.folder / "data" / "static" / site.key


async def pushed(bench: Bench, files: dict[str, str], *options: str) -> Path:
    """Push what must work; return the folder that is routed then."""
    verdict = await bench.push("shop", files, *options)
    assert verdict.accepted, bench.text()
    return await folder(bench)


async def earlier(bench: Bench) -> str:
    """Return the key of the files that were live before."""
    live = await bench.live("shop")
    assert live is not None
    site = live.workloads["site"].static
    assert site is not None
    return site.earlier


def read(root: Path) -> dict[str, str]:
    """Return the texts of a folder, without what was compressed."""
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file() and p.suffix != ".gz"}


async def test_a_plain_folder(bench: Bench) -> None:
    """A folder without package.json is served as it is: readable by the proxy's user, texts compressed, nothing built or started."""
    root = await pushed(bench, plain())

    assert read(root) == {"index.html": "one", "css/a.css": "a{}" * 1000, ".htpasswd": "x"}
    assert (root / "css" / "a.css.gz").exists()
    assert {oct(path.stat().st_mode & 0o777) for path in [root, root / "css", root / "index.html"]} == {
        "0o755",
        "0o644",
    }
    assert (bench.engine.orders, bench.engine.created) == ([], [])
    assert f"http://{HOST}" in bench.text()


async def test_one_page(bench: Bench) -> None:
    """A source that is one page is served as index.html."""
    assert read(await pushed(bench, {**stack("hello.htm"), "hello.htm": "<p>hi"})) == {"index.html": "<p>hi"}


async def test_the_part_that_special_output_names(bench: Bench) -> None:
    """`special.output` names the folder of a plain source that is served; `spa` goes to the proxy."""
    more = "    special: {output: public, spa: true}\n"
    root = await pushed(bench, plain() | stack(".", more))

    assert "index.html" in read(root)
    live = await bench.live("shop")
    assert live is not None
    assert live.workloads["site"].static == StaticSite(root.name, spa=True)


async def test_a_built_site(bench: Bench) -> None:
    """A folder with package.json is built, with the environment resolved, and what it made is taken out of the image."""
    more = "    env: {API: '${site.external_url}/api'}\n"
    root = await pushed(bench, built(more=more))

    assert read(root) == {"index.html": "one"}
    [order] = bench.engine.orders
    assert order.args == {"API": f"http://{HOST}:8080/api"}
    assert bench.engine.created == []


async def test_what_did_not_change_is_carried_over(bench: Bench) -> None:
    """The same files are carried over, in the same folder, whatever else changes; other files are another folder."""
    first = await pushed(bench, built())
    again = await pushed(bench, {"README.md": "more"})
    assert again == first
    assert "site: unchanged, carried over" in bench.text()
    assert len(bench.engine.orders) == 1

    second = await pushed(bench, built("two"))

    assert (read(first), read(second)) == ({"index.html": "one"}, {"index.html": "two"})


async def test_rollback(bench: Bench) -> None:
    """A rollback routes to the old folder, which is still there; what was live before is known, for pages that are open."""
    first = await pushed(bench, plain())
    assert await earlier(bench) == ""
    second = await pushed(bench, plain("two"))
    assert await earlier(bench) == first.name
    await pushed(bench, {"README.md": "more"})
    assert await earlier(bench) == first.name

    ended = await bench.world.deployments.ended(await bench.world.deployments.rollback("shop", "production", 1, "x"))

    assert str(ended.state) == "live"
    assert not any("database" in line for line in bench.world.transcripts.read(ended.id))
    assert await folder(bench) == first
    assert await earlier(bench) == second.name


async def test_a_rollback_without_its_files(bench: Bench) -> None:
    """A rollback to files that are gone is refused, and what serves stays."""
    first = await pushed(bench, plain())
    second = await pushed(bench, plain("two"))
    (first / "index.html").rename(first.parent / "moved")
    await bench.world.collector._sites.remove(first.name)

    ended = await bench.world.deployments.ended(await bench.world.deployments.rollback("shop", "production", None, "x"))

    assert ended.problem
    assert ended.problem["code"] == "files-gone"
    assert await folder(bench) == second


async def test_collection(bench: Bench) -> None:
    """Folders that no kept release needs go, with what died half way; those of kept releases, and what was live before them, stay."""
    folders = [await pushed(bench, plain(str(number))) for number in range(7)]

    collected = await bench.world.collector.collect()

    assert set(collected.sites) == {folder.name for folder in folders[:1]}
    assert [folder.exists() for folder in folders] == [False] + [True] * 6


async def test_a_static_service_becomes_another_and_back(bench: Bench) -> None:
    """A service whose type changes between static and a container's is switched like any other change."""
    container = {"hostess.yml": "services:\n  site:\n    type: custom\n    image: hostess-test/echo:1\n    ports: [8000]\n"
                 "    visibility: public\n    resources: {cpu: 0.1, memory: 128Mi}\n"}  # fmt: skip
    await pushed(bench, plain())
    assert (await bench.push("shop", container)).accepted, bench.text()
    assert await bench.get(HOST) == "200 1"

    await pushed(bench, plain())

    await bench.until_containers(0)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            built(more="    env: {TOKEN: '${secret:TOKEN}'}\n"),
            "TOKEN (${secret:TOKEN}) would end in files that everybody",
        ),
        (stack("nowhere"), "there is no folder or page 'nowhere'"),
        (plain() | stack("public", "    special: {output: missing}\n"), "there are no files to serve"),
        (stack("public", "    command: serve\n"), "services.site.command (nothing runs in a static service)"),
        (stack("public", "    lifecycle: {migrate: {command: x}}\n"), "services.site.lifecycle (nothing runs"),
        (built() | {"app/package.json": "{}"}, "has no `build` script"),
    ],
)
async def test_refused(bench: Bench, files: dict[str, str], words: str) -> None:
    """What cannot be a site is refused in a sentence, and what serves stays."""
    before = await pushed(bench, plain())
    await bench.world.secrets.add("shop", "production", "TOKEN", "sentinel")

    verdict = await bench.push("shop", files)

    assert not verdict.accepted
    assert words in bench.text()
    assert await folder(bench) == before


async def test_an_address_inside_the_stack(bench: Bench) -> None:
    """Callers inside the stack find the files of a static service at its port, and no replicas."""
    await pushed(bench, plain())

    [found] = bench.router.inside.values()
    live = await bench.live("shop")
    assert live is not None
    assert (found.static, found.ports, found.replicas) == (live.workloads["site"].static, (8080,), ())


async def test_scaling_and_running(bench: Bench) -> None:
    """A static service cannot be scaled."""
    await pushed(bench, plain())
    with pytest.raises(Problem, match="has no replicas"):
        await bench.world.deployments.scale("shop", "production", {"site": 3}, "x")


async def test_the_plan(bench: Bench) -> None:
    """A dry run says what would be built and served, and makes nothing."""
    await bench.push("shop", plain(), "dry-run")
    assert "serve    site (new)" in bench.text()
    await bench.push("shop", built(), "dry-run")

    assert "build    site" in bench.text()
    assert not list((bench.folder / "data" / "static").iterdir())


async def test_a_restart(bench: Bench) -> None:
    """A restart of everything leaves the files of static services as they are."""
    before = await pushed(bench, plain())

    ended = await bench.world.deployments.ended(await bench.world.deployments.restart("shop", "production", (), "x"))

    assert str(ended.state) == "live"
    assert await folder(bench) == before
