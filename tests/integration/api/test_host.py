"""Projects, and the host as a whole."""

import asyncio
import re

from hostess import __version__
from hostess.domain.problem import Problem
from hostess.doors.api.app import OPERATIONS
from tests.integration.api.stage import Stage


async def test_a_project_is_made_once(stage: Stage) -> None:
    """A project is made with its repository; the same name again is a conflict, a bad one refused."""
    made = await stage.ask("POST /v1/projects", {"name": "shop"})
    again = await stage.ask("POST /v1/projects", {"name": "shop"})
    wrong = await stage.ask("POST /v1/projects", {"name": "Big Shop"})

    assert (made.status, made.json["name"]) == (201, "shop")
    assert (again.status, again.code) == (409, "project-exists")
    assert (wrong.status, wrong.code) == (422, "invalid-name")
    assert "big-shop" in wrong.json["remedy"]
    assert (stage.folder / "repos" / "shop.git" / "HEAD").exists()


async def test_a_project_is_removed_with_everything(stage: Stage) -> None:
    """After its removal nothing of a project is left: no container, volume, network, route, repository or record."""
    await stage.live()
    await stage.project("other")

    said = await stage.ask("DELETE /v1/projects/shop")

    assert said.status == 204
    assert await stage.engine.containers({}) == []
    assert await stage.engine.networks({}) == {}
    assert stage.router.table == ()
    assert not (stage.folder / "repos" / "shop.git").exists()
    assert [project["name"] for project in (await stage.get("/v1/projects"))["items"]] == ["other"]
    assert (await stage.get("/v1/deployments"))["items"] == []


async def test_a_project_is_removed_under_a_deployment(stage: Stage) -> None:
    """A deployment that runs is cancelled when its project is removed."""
    await stage.live()
    running = await stage.held(asyncio.Event())

    said = await stage.ask("DELETE /v1/projects/shop")

    assert said.status == 204
    assert (await stage.ask(f"GET /v1/deployments/{running}")).code == "deployment-not-found"
    assert await stage.engine.containers({}) == []


async def test_a_removal_that_broke_off_can_be_asked_for_again(stage: Stage) -> None:
    """When the engine fails half-way, the project is still known, serves nothing, and a second removal ends the work."""
    await stage.live()
    stage.engine.fail["volumes"] = Problem("engine-unreachable", "the engine is gone for a moment")

    broken = await stage.ask("DELETE /v1/projects/shop")
    known = await stage.ask("GET /v1/projects/shop")
    again = await stage.ask("DELETE /v1/projects/shop")

    assert (broken.status, broken.code) == (503, "engine-unreachable")
    assert (known.status, again.status) == (200, 204)
    assert await stage.engine.networks({}) == {}


async def test_environments_tell_what_is_live(stage: Stage) -> None:
    """Environments are listed with the number of their live release."""
    await stage.live()

    (found,) = (await stage.get("/v1/projects/shop/environments"))["items"]

    assert (found["name"], found["release"]) == ("production", 1)


async def test_health_needs_no_token(stage: Stage) -> None:
    """Whether the daemon is alive is told to anybody."""
    said = await stage.ask("GET /healthz", token="")

    assert (said.status, said.json) == (200, {"status": "ok", "version": __version__})


async def test_status_is_one_screen(stage: Stage) -> None:
    """The status tells host, engine and each environment at a glance."""
    await stage.live()

    found = await stage.get("/v1/status")

    (place,) = found["places"]
    assert found["host"]["engine"] == "0.fake (API 1.41)"
    assert (place["release"], place["services"], place["running"], place["last"]) == (1, 2, 2, "live")


async def test_status_without_an_engine(stage: Stage) -> None:
    """When the engine does not answer, the API says so instead of failing as a whole."""
    await stage.project()
    stage.engine.unreachable = True

    found = await stage.get("/v1/status")

    assert found["host"]["engine"] == ""


async def test_figures_for_prometheus(stage: Stage) -> None:
    """Figures are told in Prometheus' text format."""
    await stage.live()

    said = await stage.ask("GET /metrics")

    assert said.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'hostess_deployments{state="live"} 1' in said.text
    assert "hostess_proxy_up 1\n" in said.text
    assert "hostess_proxy_workers 1\n" in said.text
    assert f'hostess_build_info{{version="{__version__}"}} 1' in said.text
    assert all(re.fullmatch(r"(# .*|\w+(\{.*\})? \d+)", line) for line in said.text.splitlines())


async def test_figures_without_a_proxy(stage: Stage) -> None:
    """When the proxy does not answer, its figures are missing, and one says why."""
    stage.router.is_gone = True

    said = await stage.ask("GET /metrics")

    assert said.status == 200
    assert "hostess_proxy_up 0\n" in said.text
    assert "hostess_proxy_workers" not in said.text


async def test_settings_are_shown_with_their_source(stage: Stage) -> None:
    """Every setting is shown with where it came from."""
    found = {item["key"]: item for item in (await stage.get("/v1/config"))["items"]}

    assert found["data_dir"]["value"] == str(stage.folder)
    assert found["proxy.http"]["source"] == "default"


async def test_garbage_is_collected(stage: Stage) -> None:
    """Collecting garbage tells what was removed."""
    assert (await stage.ask("POST /v1/gc")).json == {"images": [], "size": 0, "sites": []}


async def test_the_document_describes_every_operation(stage: Stage) -> None:
    """The OpenAPI document has every operation, with resolvable references, and needs no token."""
    said = await stage.ask("GET /v1/openapi.json", token="")
    document = said.json

    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    references = set(re.findall(r'"#/components/schemas/(\w+)"', said.text))
    assert document["openapi"] == "3.1.0"
    assert described == {(operation.method, operation.path) for operation in OPERATIONS}
    assert references <= document["components"]["schemas"].keys()
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
