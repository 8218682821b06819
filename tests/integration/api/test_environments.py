"""Environments: made, changed, told, removed; ephemeral ones by themselves, with what was ephemeral in them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hostess.adapters.clock_system import SystemClock
from hostess.domain import labels
from hostess.domain.records import EnvironmentSettings
from hostess.services.environments import Environments
from tests.integration.api.stage import FILE, Stage

BASE = "/v1/projects/shop/environments"
PREVIEW = (
    FILE.replace("${secret:GREETING}", "hello")
    + """
  kept: {type: custom, image: "leaky:1", ports: [8002], env: {PORT: "8002"}, health: {http: /health}, retention: permanent}
  gone: {type: custom, image: "leaky:1", ports: [8003], env: {PORT: "8003"}, health: {http: /health}, persistence: true}
environments:
  preview: {branches: ["feature/*"], ephemeral: true, ttl: 36h}
"""
)


class Later(SystemClock):
    """A clock that is some time ahead."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        """Return the time in UTC, ahead."""
        return datetime.now(UTC) + self._ahead


def later(stage: Stage, ahead: timedelta) -> Environments:
    """Return the service as it will be after some time."""
    world = stage.world
    return Environments(stage.journal, world.removal, world.turns, Later(ahead), world.deployments.place)


async def volumes(stage: Stage, environment: str) -> list[str]:
    """Return the services that have volumes there."""
    owned = labels.of_place(await stage.journal.instance(), "shop", environment)
    return sorted(labels.service_of_volume(volume) for volume in await stage.engine.volumes(owned))


async def test_an_environment_is_made_changed_and_told(stage: Stage) -> None:
    """What is set stands above the defaults; what is left out stays; a second `create` is a conflict, `ensure` is not."""
    await stage.project()

    made = await stage.ask(f"POST {BASE}", {"name": "staging", "branches": ["develop"], "ttl": "48h"})
    again = await stage.ask(f"POST {BASE}", {"name": "staging"})
    ensured = await stage.ask(f"POST {BASE}", {"name": "staging", "ensure": True, "ephemeral": True})
    changed = await stage.ask(f"PATCH {BASE}/staging", {"protected": True, "ttl": "7d"})
    (listed,) = (await stage.get(BASE))["items"]

    assert (made.status, made.json["type"], made.json["ttl"], made.json["expires_at"]) == (201, "standard", "48h", None)
    assert (again.status, again.code) == (409, "environment-exists")
    assert (ensured.json["type"], ensured.json["auto_delete"], ensured.json["branches"]) == (
        "ephemeral",
        True,
        ["develop"],
    )
    assert (changed.json["ttl"], changed.json["protected"], changed.json["expires_at"]) == ("7d", True, None)
    assert listed == changed.json


@pytest.mark.parametrize("wrong", [{"name": "No"}, {"name": "x1", "ttl": "soon"}, {"name": "x1", "color": "red"}])
async def test_what_does_not_fit_is_refused(stage: Stage, wrong: dict[str, object]) -> None:
    """A bad name, a ttl that is none, and an unknown attribute are refused."""
    await stage.project()

    said = await stage.ask(f"POST {BASE}", wrong)

    assert said.status == 422, said.text
    assert (await stage.get(BASE))["items"] == []


async def test_a_branch_that_was_set_deploys(stage: Stage) -> None:
    """A push of a branch that was given to an environment by command deploys there."""
    await stage.project()
    await stage.ask(f"POST {BASE}", {"name": "staging", "branches": ["develop"]})

    verdict = await stage.push(PREVIEW, branch="develop")

    assert verdict.accepted
    live = await stage.journal.live("shop", "staging")
    assert live is not None


async def test_an_ephemeral_environment_expires(stage: Stage) -> None:
    """After its ttl without a deployment all of it is gone but explicitly permanent data; before, and production, nothing is."""
    await stage.project()
    assert (await stage.push(PREVIEW)).accepted
    said: list[str] = []
    assert (await stage.push(PREVIEW, branch="feature/cart", say=said.append)).accepted
    assert await volumes(stage, "preview") == ["gone", "kept"]

    await later(stage, timedelta(hours=35)).expire()
    assert [each["name"] for each in (await stage.get(BASE))["items"]] == ["preview", "production"]
    await later(stage, timedelta(hours=37)).expire()

    assert any("preview expires in 36h" in line for line in said)
    assert [each["name"] for each in (await stage.get(BASE))["items"]] == ["production"]
    assert await volumes(stage, "preview") == ["kept"]
    assert await volumes(stage, "production") == ["gone", "kept"]
    assert await stage.world.replicas.of_place("shop", "preview") == []
    assert not [host for host in stage.router.table if "preview" in host.host]
    (told,) = [event for event in await stage.journal.events(project="shop") if event.kind == "environment.expired"]
    assert "for 36h; volumes with permanent data that stay: 1" in told.message


async def test_what_is_deployed_to_does_not_expire(stage: Stage) -> None:
    """An environment that somebody deploys to right now is left alone."""
    await stage.project()
    assert (await stage.push(PREVIEW, branch="feature/cart")).accepted

    async with stage.world.turns.turn("shop", "preview"):
        await later(stage, timedelta(days=9)).expire()

    assert [each["name"] for each in (await stage.get(BASE))["items"]] == ["preview"]


async def test_an_environment_is_deleted(stage: Stage) -> None:
    """Deleting takes secrets and history and leaves permanent data unless asked; it can be pushed again."""
    await stage.project()
    assert (await stage.push(PREVIEW)).accepted
    await stage.ask(f"POST {BASE}", {"name": "staging", "branches": ["develop"]})
    assert (await stage.push(PREVIEW, branch="develop")).accepted
    await stage.ask("POST /v1/projects/shop/secrets", {"name": "KEY", "value": "word", "environments": ["staging"]})

    gone = await stage.ask(f"DELETE {BASE}/staging")

    assert [labels.service_of_volume(volume) for volume in gone.json["volumes_kept"]] == ["gone", "kept"]
    assert await stage.journal.deployments("shop", "staging") == []
    assert await stage.journal.secrets("shop", "staging") == []
    assert await stage.journal.environment_settings("shop") == []
    await stage.ask(f"POST {BASE}", {"name": "staging", "branches": ["develop"]})
    assert (await stage.push(PREVIEW.replace("PLAIN: word", "PLAIN: other"), branch="develop")).accepted
    assert (await stage.ask(f"DELETE {BASE}/staging?data=true")).json == {"volumes_kept": []}
    assert await volumes(stage, "staging") == []
    assert await volumes(stage, "production") == ["gone", "kept"]


async def test_production_is_protected(stage: Stage) -> None:
    """Production is neither deleted nor made ephemeral, and an owner is needed to delete others."""
    await stage.live()
    token = await stage.a_token("developer")
    await stage.ask(f"POST {BASE}", {"name": "staging"})

    refused = await stage.ask(f"DELETE {BASE}/production")
    ephemeral = await stage.ask(f"PATCH {BASE}/production", {"ephemeral": True})
    stranger = await stage.ask(f"DELETE {BASE}/staging", token=token)

    assert (refused.status, refused.code) == (409, "environment-protected")
    assert (ephemeral.status, stranger.status) == (409, 403)


async def test_the_command_line_of_environments(stage: Stage) -> None:
    """create, ensure, update, list, services and delete do what they say."""
    await stage.live()
    p = ("-p", "shop")

    made = await stage.hostess(
        "environments", "create", "preview", "--branches", "a,b/*", "--ephemeral", "--ttl", "36h", *p
    )
    again = await stage.hostess("environments", "create", "preview", *p)
    kept = await stage.hostess("environments", "update", "preview", "--auto-delete=false", *p)
    nothing = await stage.hostess("environments", "update", "preview", *p)
    listed = await stage.hostess("envs", "ls", *p)
    services = await stage.hostess("environments", "services", "production", *p)
    gone = await stage.hostess("environments", "rm", "preview", "--yes", *p)
    refused = await stage.hostess("environments", "delete", "production", "--yes", *p)

    assert made.out == "preview: ephemeral; branches a, b/*; ttl 36h, auto-delete\n", made
    assert kept.out == "preview: ephemeral; branches a, b/*; ttl 36h\n"
    assert (again.code, nothing.code, gone.code, refused.code) == (7, 2, 0, 7)
    assert [line.split()[:2] for line in listed.out.splitlines()[1:]] == [
        ["preview", "ephemeral"],
        ["production", "production"],
    ]
    assert "SHA" in services.out
    assert "running" in services.out


async def test_settings_of_an_environment_are_one_row(stage: Stage) -> None:
    """What is written down for an environment takes the place of what was there, and goes with its project."""
    await stage.project()
    given = EnvironmentSettings("shop", "preview", ("a",), ephemeral=True, ttl=timedelta(hours=1))

    await stage.journal.put_environment(given)
    await stage.journal.put_environment(replace(given, ttl=None))
    await stage.journal.put_environment(EnvironmentSettings("shop", "another"))

    another, preview = await stage.journal.environment_settings("shop")
    assert (another.environment, preview) == ("another", replace(given, ttl=None))
    await stage.journal.remove_project("shop")
    assert await stage.journal.environment_settings("shop") == []


async def test_credentials_stay_with_their_data(stage: Stage) -> None:
    """With an environment its secrets are forgotten, but for the password of a database whose data stays."""
    await stage.project()
    await stage.ask(f"POST {BASE}", {"name": "staging"})
    for name in ("KEY", "db:password", "cache:password"):
        await stage.journal.put_secret("shop", "staging", name, str, datetime.now(UTC))

    await stage.journal.remove_place("shop", "staging", {"db"})

    assert [secret.name for secret in await stage.journal.secrets("shop", "staging")] == ["db:password"]
    assert await stage.journal.places("shop") == []


async def test_a_deployment_is_removed_and_brought_back(stage: Stage) -> None:
    """Taken down, nothing runs and no host leads there, history, secrets and permanent data stay; a rollback is live again."""
    await stage.project()
    assert (await stage.push(PREVIEW)).accepted
    hosts = sorted(host.host for host in stage.router.table)

    asked = await stage.hostess("rm", "-p", "shop", given="no\n")
    still = len(await stage.world.replicas.of_place("shop", "production"))
    removed = await stage.hostess("rm", "-p", "shop", "--force", "-o", "json")
    again = await stage.hostess("deployments", "remove", "-p", "shop", "--force")
    left = await stage.world.replicas.of_place("shop", "production"), list(stage.router.table)
    kept = await volumes(stage, "production")
    back = await stage.hostess("rollback", "-p", "shop")

    assert (asked.code, still, "v1, live: web, worker, kept, gone" in asked.err) == (1, 4, True)
    assert removed.code == 0, removed.err
    assert [labels.service_of_volume(volume) for volume in removed.json["volumes_kept"]] == ["gone", "kept"]
    assert left == ([], [])
    assert kept == ["gone", "kept"]
    assert (again.code, "nothing is" in again.err) == (7, True)
    assert back.code == 0, back.err
    live = await stage.journal.live("shop", "production")
    assert live is not None
    assert live.number == 2
    assert sorted(host.host for host in stage.router.table) == hosts
    kinds = [event.kind for event in await stage.journal.events(project="shop")]
    assert "audit.deployment.removed" in kinds


async def test_what_is_not_permanent_goes_with_its_deployment(stage: Stage) -> None:
    """In an ephemeral environment data goes, but for that of services whose file says that it is permanent."""
    await stage.project()
    assert (await stage.push(PREVIEW, branch="feature/cart")).accepted
    [deployment] = await stage.journal.deployments("shop", "preview")

    removed = await stage.ask(f"DELETE /v1/deployments/{deployment.id}")

    assert removed.status == 200, removed.text
    assert await volumes(stage, "preview") == ["kept"]
    assert [each["name"] for each in (await stage.get(BASE))["items"]] == ["preview"]


async def test_only_what_is_live_is_removed(stage: Stage) -> None:
    """A deployment of which nothing runs any more takes nothing down, nor does one in an environment that is locked."""
    await stage.project()
    assert (await stage.push(PREVIEW)).accepted
    [old] = await stage.journal.deployments("shop", "production")
    await stage.done(f"POST {BASE}/production/scale", {"services": {"web": 2}})
    newest = (await stage.journal.deployments("shop", "production"))[0]

    outdated = await stage.ask(f"DELETE /v1/deployments/{old.id}")
    await stage.hostess("lock", "-p", "shop", "--message", "a fair")
    locked = await stage.ask(f"DELETE /v1/deployments/{newest.id}")

    assert (outdated.status, outdated.code) == (409, "not-live")
    assert "v2 is" in outdated.json["detail"]
    assert (locked.status, locked.code) == (409, "locked")
    assert await stage.journal.live("shop", "production") is not None


@pytest.mark.parametrize("ttl", ["9999999d", "99999999999w", 1e13, -1])
async def test_a_ttl_that_leads_to_no_date_is_refused(stage: Stage, ttl: object) -> None:
    """An end that no calendar has is refused before it is written down, where it would be in the way of every list and sweep."""
    await stage.project()

    said = await stage.ask(f"POST {BASE}", {"name": "preview", "ephemeral": True, "ttl": ttl})
    listed = await stage.get(BASE)
    upcoming = await stage.ask("GET /v1/upcoming")
    token = await stage.ask("POST /v1/tokens", {"name": "ci", "expires_in": "9999999d"})

    assert (said.status, said.code, listed["items"]) == (422, "invalid-request", [])
    assert upcoming.status == 200
    assert (token.status, token.code) == (422, "invalid-request")
