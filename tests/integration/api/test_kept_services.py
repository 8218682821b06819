"""What is left of services that left hostess.yml: shown, kept, and destroyed when somebody says so in words."""

import asyncio
import os
import sys

import pytest

from hostess.domain import labels
from tests.integration.api.stage import FILE, WITHIN, Stage

BASE = "/v1/projects/shop/environments"
PLACE = f"{BASE}/production"
PLAIN = FILE.replace("${secret:GREETING}", "hello")
STORE = """
  store: {type: custom, image: "leaky:1", ports: [8002], env: {PORT: "8002"}, health: {http: /health}, persistence: true}
  database: {type: postgres, special: {version: "16"}}
"""
ASK = "This removes of database:"


async def without(stage: Stage) -> None:
    """Deploy a service with a volume and a database, then take both out of the file."""
    await stage.project()
    for file in (PLAIN + STORE, PLAIN):
        verdict = await stage.push(file)
        assert verdict.accepted, verdict
    async with asyncio.timeout(WITHIN):
        while await stage.journal.tasks():
            await asyncio.sleep(0.01)


async def volumes(stage: Stage) -> list[str]:
    """Return the services that have volumes."""
    owned = labels.of_place(await stage.journal.instance(), "shop", "production")
    return sorted(labels.service_of_volume(volume) for volume in await stage.engine.volumes(owned))


async def credentials(stage: Stage, ending: str = "") -> dict[str, str]:
    """Return what Hostess made and keeps like secrets: passwords, and where data is."""
    values = await stage.world.secrets.values("shop", "production", credentials=True)
    return {name: value for name, value in values.items() if ":" in name and name.endswith(ending)}


async def test_what_is_left_is_listed(stage: Stage) -> None:
    """A service that left the file is kept with its volumes and whether it has credentials, never their values."""
    await without(stage)

    (database, store) = (await stage.get(f"{PLACE}/kept"))["items"]

    assert (database["service"], database["credentials"], len(database["volumes"])) == ("database", True, 1)
    assert (store["service"], store["credentials"], len(store["volumes"])) == ("store", False, 1)


async def test_data_goes_only_when_it_is_named(stage: Stage) -> None:
    """Without `data` everything stays; with it volumes and credentials go, those of other services stay, and an event tells it."""
    await without(stage)
    (password,) = (await credentials(stage, "password")).values()

    spared = await stage.ask(f"DELETE {PLACE}/services/database")
    assert (spared.status, len(spared.json["volumes_kept"]), spared.json["credentials_kept"]) == (200, 1, True)
    assert await volumes(stage) == ["database", "store"]
    gone = await stage.ask(f"DELETE {PLACE}/services/database?data=true")
    again = await stage.ask(f"DELETE {PLACE}/services/database?data=true")

    assert (gone.status, len(gone.json["volumes_removed"]), gone.json["credentials_removed"]) == (200, 1, True)
    assert await volumes(stage) == ["store"]
    assert await credentials(stage) == {}
    assert (again.status, again.code) == (404, "service-not-found")
    told = [event for event in await stage.journal.events(project="shop") if event.kind == "audit.service.destroyed"]
    assert [event.data["data"] for event in told] == [False, True]
    assert password not in gone.text + str(told)


async def test_a_later_service_of_the_name_starts_afresh(stage: Stage) -> None:
    """After its data is gone a database that comes back has an empty volume and another password."""
    await without(stage)
    before = await credentials(stage, "password")
    await stage.ask(f"DELETE {PLACE}/services/database?data=true")

    assert (await stage.push(PLAIN + STORE + "# again\n")).accepted

    after = await credentials(stage, "password")
    assert before.keys() == after.keys()
    assert before != after
    assert await volumes(stage) == ["database", "store"]


async def test_a_rollback_to_destroyed_data_is_refused(stage: Stage) -> None:
    """A release whose database would come back empty, under a password of old, cannot be gone back to."""
    await without(stage)
    await stage.ask(f"DELETE {PLACE}/services/database?data=true")

    said = await stage.ask(f"POST {PLACE}/rollback", {"release": 1})
    ended = await stage.world.deployments.ended(said.json["id"])

    assert ended.problem is not None
    assert ended.problem["code"] == "data-gone"
    assert await volumes(stage) == ["store"]


async def test_a_service_that_is_renamed(stage: Stage) -> None:
    """Under a new name it starts without data; the old one goes with its routes, is told of, and its volume is kept (scenario 23)."""
    await stage.project()
    public = PLAIN + STORE.replace("persistence: true}", "persistence: true, visibility: public}")
    assert (await stage.push(public)).accepted
    said: list[str] = []

    assert (await stage.push(public.replace("  store:", "  depot:"), say=said.append)).accepted

    (kept,) = (await stage.get(f"{PLACE}/kept"))["items"]
    assert (kept["service"], len(kept["volumes"])) == ("store", 1)
    assert await volumes(stage) == ["database", "depot", "store"]
    assert any("store: no longer in hostess.yml" in line and "what it stored stays" in line for line in said)
    hosts = {route.host for route in stage.router.table}
    assert "shop-depot.localhost" in hosts
    assert "shop-store.localhost" not in hosts


async def test_a_live_service_is_refused(stage: Stage) -> None:
    """While the live release has the service nothing goes, and the answer says what to do first; an unknown one is not found."""
    await stage.live()

    refused = await stage.ask(f"DELETE {PLACE}/services/web?data=true")
    unknown = await stage.ask(f"DELETE {PLACE}/services/nope?data=true")
    command = await stage.hostess("services", "destroy", "web", "--data", "--yes", "-p", "shop")

    assert (refused.status, refused.code) == (409, "service-live")
    assert "take it out of hostess.yml and push first" in refused.json["remedy"]
    assert (unknown.status, unknown.code) == (404, "service-not-found")
    assert command.code == 7
    assert "take it out of hostess.yml" in command.err


@pytest.mark.parametrize(("role", "seen"), [("viewer", 200), ("developer", 200)])
async def test_an_owner_is_needed(stage: Stage, role: str, seen: int) -> None:
    """Who may read sees what is kept; only an owner destroys, with data or without."""
    await without(stage)
    token = await stage.a_token(role, ["shop"])

    listed = await stage.ask(f"GET {PLACE}/kept", token=token)
    refused = [await stage.ask(f"DELETE {PLACE}/services/store{query}", token=token) for query in ("", "?data=true")]

    assert listed.status == seen
    assert [(said.status, said.code) for said in refused] == [(403, "not-allowed")] * 2
    assert await volumes(stage) == ["database", "store"]


async def test_containers_that_are_left_go(stage: Stage) -> None:
    """A container of the service that something kept from going is removed, though its data stays."""
    await stage.project()
    assert (await stage.push(PLAIN + STORE)).accepted
    live = await stage.journal.live("shop", "production")
    assert live is not None
    await stage.push(PLAIN)
    (place,) = await stage.journal.places("shop")
    left = await stage.world.replicas.start(place, live, live.workloads["store"], 7, "forgotten")

    said = await stage.ask(f"DELETE {PLACE}/services/store")

    assert left.name in said.json["containers_removed"]
    assert await stage.engine.container(left.id) is None
    assert await volumes(stage) == ["database", "store"]


async def test_data_of_an_environment_that_is_gone(stage: Stage) -> None:
    """Permanent data that outlived its environment is listed, and can be destroyed, without the environment."""
    await stage.project()
    await stage.ask(f"POST {BASE}", {"name": "staging", "branches": ["develop"]})
    assert (await stage.push(PLAIN + STORE, branch="develop")).accepted
    await stage.ask(f"DELETE {BASE}/staging")

    (database, _) = (await stage.get(f"{BASE}/staging/kept"))["items"]
    gone = await stage.ask(f"DELETE {BASE}/staging/services/database?data=true")

    assert (database["service"], database["credentials"]) == ("database", True)
    assert gone.json["volumes_removed"] == database["volumes"]
    assert [each["service"] for each in (await stage.get(f"{BASE}/staging/kept"))["items"]] == ["store"]


async def test_the_command_line_tells_what_goes_before_it_goes(stage: Stage) -> None:
    """Without a terminal nothing is asked and nothing is done; with --yes each thing that goes, or stays, is named."""
    await without(stage)
    database, _ = (await stage.get(f"{PLACE}/kept"))["items"]
    (volume,) = database["volumes"]
    p = ("-p", "shop")

    listed = await stage.hostess("services", "list", "--all", *p)
    spared = await stage.hostess("services", "destroy", "database", *p)
    refused = await stage.hostess("services", "destroy", "database", "--data", *p, given="yes\n")
    gone = await stage.hostess("services", "destroy", "database", "--data", "--yes", *p)
    after = await stage.hostess("services", "list", "--all", *p)

    assert f"database  not live, kept  volumes {volume}  credentials\n" in listed.out
    assert (spared.code, spared.out) == (0, "")
    assert spared.err == (
        f"its data stays in volume {volume}\nthe passwords that were made for it stay\n"
        "to delete that for good: hostess services destroy database --data\n"
    )
    assert (refused.code, refused.out) == (1, "")
    assert f"  volume {volume} with ALL its data\n  the passwords that were made for it\n" in refused.err
    assert "give --yes" in refused.err
    assert (gone.code, gone.out) == (
        0,
        f"volume {volume} is gone with its data\nthe passwords of database are gone\n",
    )
    assert "database" not in after.out


@pytest.mark.parametrize(("answer", "code", "left"), [("no", 1, ["database", "store"]), ("yes", 0, ["store"])])
async def test_a_person_is_asked(stage: Stage, answer: str, code: int, left: list[str]) -> None:
    """At a terminal the list is shown, and only `yes` goes on."""
    await without(stage)
    own, terminal = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hostess", "services", "destroy", "database", "--data", "-p", "shop"),
        env={**os.environ, "HOME": str(stage.folder), "HOSTESS_URL": stage.url, "HOSTESS_TOKEN": stage.token},
        stdin=terminal,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(terminal)
    os.write(own, f"{answer}\n".encode())

    async with asyncio.timeout(WITHIN):
        _, err = await process.communicate()
    os.close(own)

    assert process.returncode == code, err
    assert ASK in err.decode()
    assert await volumes(stage) == left
