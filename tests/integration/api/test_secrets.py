"""Secrets, tokens and events by the API."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pyrage

from hostess.domain.backups.backup import Backup, Restore
from hostess.doors.api.app import OPERATIONS
from tests.integration.api.jobs_stage import ran, with_jobs
from tests.integration.api.stage import Stage

SENTINEL = "sentinel-5b1de770"
SECRETS = "/v1/projects/shop/secrets"


async def test_a_secret_is_listed_without_its_value(stage: Stage) -> None:
    """A secret is shown with version and date; with its value only when that is asked for."""
    await stage.project()
    await stage.secret(SENTINEL)

    (plain,) = (await stage.get(SECRETS))["items"]
    (shown,) = (await stage.get(f"{SECRETS}?values=true"))["items"]

    assert (plain["name"], plain["environment"], plain["version"], plain["value"]) == (
        "GREETING",
        "production",
        1,
        None,
    )
    assert shown["value"] == SENTINEL


async def test_values_need_the_right_to_secrets(stage: Stage) -> None:
    """A viewer sees the names of secrets and never a value."""
    await stage.project()
    await stage.secret(SENTINEL)
    viewer = await stage.a_token("viewer")

    names = await stage.ask(f"GET {SECRETS}", token=viewer)
    values = await stage.ask(f"GET {SECRETS}?values=true", token=viewer)

    assert names.status == 200
    assert (values.status, values.code) == (403, "not-allowed")


async def test_adding_leaves_alone_what_is_there(stage: Stage) -> None:
    """A secret is added where it is missing and kept where it is; editing needs one that is there."""
    await stage.project()
    await stage.secret("one")

    body = {"name": "GREETING", "value": "two", "environments": ["production", "staging"]}
    added = await stage.ask(f"POST {SECRETS}", body)
    edited = await stage.ask(f"PUT {SECRETS}/GREETING", {"value": "three", "environments": ["production"]})
    missing = await stage.ask(f"PUT {SECRETS}/OTHER", {"value": "three"})

    assert [(item["environment"], item["outcome"]) for item in added.json["items"]] == [
        ("production", "kept"),
        ("staging", "added"),
    ]
    assert [(item["environment"], item["outcome"]) for item in edited.json["items"]] == [("production", "changed")]
    assert (missing.status, missing.code) == (404, "secret-not-found")
    values = (await stage.get(f"{SECRETS}?values=true&environments=production,staging"))["items"]
    assert [(each["environment"], each["value"]) for each in values] == [("production", "three"), ("staging", "two")]


async def test_deleting_a_secret(stage: Stage) -> None:
    """A deleted secret is gone from everywhere, and not found afterwards."""
    await stage.project()
    await stage.secret("one")

    gone = await stage.ask(f"DELETE {SECRETS}/GREETING")
    again = await stage.ask(f"DELETE {SECRETS}/GREETING")

    assert gone.json["items"][0]["outcome"] == "deleted"
    assert (again.status, again.code) == (404, "secret-not-found")
    assert (await stage.get(SECRETS))["items"] == []


async def test_a_bad_name_or_environment_is_refused(stage: Stage) -> None:
    """Names that cannot be those of a secret, or of an environment, are refused, and credentials are out of reach."""
    await stage.project()

    named = await stage.ask(f"POST {SECRETS}", {"name": "database:password", "value": "x"})
    placed = await stage.ask(f"POST {SECRETS}", {"name": "A", "value": "x", "environments": ["No Such"]})

    assert (named.status, placed.status) == (422, 422)


async def backed_up(stage: Stage) -> str:
    """Write a backup of web down, and a restore of it; return its id."""
    at, artefacts = datetime(2026, 1, 1, tzinfo=UTC), stage.world.backups.artefacts
    backup = Backup("20260101-000000-abcdef", "shop", "production", "web", "manual", at)
    written = artefacts.write(backup.path, [("part", iter([b"content"]))])
    artefacts.put_manifest(backup.path, "{}")
    await stage.journal.put_backup(replace(backup, state="ok", size=written.size, checksum=written.checksum))
    restore = Restore("20260101-000000-fedcba", "shop", "production", "web", "production", backup.id, at)
    await stage.journal.put_restore(restore)
    return backup.id


async def bundled(stage: Stage) -> str:
    """Take a backup of the host by the API, as its owner does; return its id."""
    key = str(pyrage.x25519.Identity.generate().to_public())
    assert (await stage.ask("POST /v1/host/backups", {})).status == 422, "it would be encrypted for nobody"
    assert (await stage.ask("POST /v1/host/backups", {"to": ["age1nobody"]})).status == 422
    assert (await stage.ask("GET /v1/host/backups/none")).status == 404
    begun = await stage.ask("POST /v1/host/backups", {"to": [key]})
    assert begun.status == 202, begun.text
    [backup] = await stage.world.host.backups.known()
    done = await stage.world.host.backups.ended(backup)
    assert done.state == "ok", done.problem
    return done.id


async def test_no_answer_holds_a_secret_that_was_not_asked_for(stage: Stage) -> None:
    """Of all operations that read, only `values=true` gives a secret's value away, although the app prints it."""
    deployment = await with_jobs(stage, SENTINEL)
    await ran(stage, "report")
    place = {"project": "shop", "environment": "production", "service": "web", "job": "report"}
    filled = {**place, "deployment": deployment, "backup": await backed_up(stage), "restore": "20260101-000000-fedcba"}
    filled["bundle"] = await bundled(stage)
    assert (await stage.ask("PUT /v1/projects/shop/webhook", {"url": "https://example.com/shop.git"})).status == 200

    # Tunnels and terminals have no answer: they lead to what runs.
    for operation in [e for e in OPERATIONS if e.method == "GET" and e.name not in {"tunnel", "terminal"}]:
        path = re.sub(r"\{(\w+)\}", lambda found: filled[found[1]], operation.path)
        needed = [name for name, field in operation.given.model_fields.items() if field.is_required()]
        query = "&".join(f"{name}=shop.example.com" for name in needed)
        said = await stage.ask(f"GET {path}?{query}")
        assert said.status == 200, operation.name
        assert SENTINEL not in said.text, operation.name


async def test_a_mistake_does_not_echo_the_value(stage: Stage) -> None:
    """A request with a secret in it that is refused is not quoted in the answer."""
    await stage.project()

    wrong = await stage.ask(f"POST {SECRETS}", {"name": ["x"], "value": SENTINEL, "valeu": SENTINEL})

    assert wrong.status == 422
    assert SENTINEL not in wrong.text


async def test_a_token_is_seen_once(stage: Stage) -> None:
    """A new token is shown when it is made, works with its role and scope, and is worthless once revoked."""
    await stage.project()

    made = (await stage.ask("POST /v1/tokens", {"name": "ci", "role": "viewer", "projects": ["shop"]})).json
    me = await stage.ask("GET /v1/whoami", token=made["token"])
    listed = await stage.ask("GET /v1/tokens")
    revoked = await stage.ask(f"DELETE /v1/tokens/{made['id']}")
    after = await stage.ask("GET /v1/whoami", token=made["token"])

    assert me.json == {"name": "ci", "role": "viewer", "projects": ["shop"], "expires_at": None}
    assert made["token"] not in listed.text
    assert (revoked.status, after.status) == (204, 401)


async def test_a_token_needs_a_sensible_lifetime(stage: Stage) -> None:
    """A lifetime that is no duration is refused; one that is gives the token its end."""
    wrong = await stage.ask("POST /v1/tokens", {"name": "ci", "expires_in": "soon"})
    made = await stage.ask("POST /v1/tokens", {"name": "ci", "expires_in": "90d"})

    assert (wrong.status, wrong.code) == (422, "invalid-request")
    assert made.json["expires_at"] is not None


async def test_every_change_is_written_down(stage: Stage) -> None:
    """Each mutation leaves an event with who made it, and none of them holds a value."""
    await stage.live(SENTINEL)
    place = "/v1/projects/shop/environments/production"
    await stage.ask(f"PUT {SECRETS}/GREETING", {"value": f"{SENTINEL}-2"})
    await stage.done(f"POST {place}/restart")
    await stage.done(f"POST {place}/scale", {"services": {"web": 2}})
    await stage.done(f"POST {place}/rollback")
    await stage.ask(f"DELETE {SECRETS}/GREETING")
    made = (await stage.ask("POST /v1/tokens", {"name": "ci"})).json
    await stage.ask(f"DELETE /v1/tokens/{made['id']}")
    await stage.ask("POST /v1/gc")
    await stage.ask("DELETE /v1/projects/shop")
    await stage.project("next")

    said = await stage.ask("GET /v1/events?after=0&limit=100")
    kept = [event for event in said.json["items"] if event["kind"].startswith("audit.")]

    # What belonged to the project went with it.
    assert [event["kind"] for event in kept] == [
        "audit.project.created",
        "audit.token.created",
        "audit.token.revoked",
        "audit.gc",
        "audit.project.deleted",
        "audit.project.created",
    ]
    assert all(event["data"]["actor"] == "the owner" for event in kept)
    assert SENTINEL not in said.text
    assert made["token"] not in said.text


async def test_changes_in_a_project_are_its_events(stage: Stage) -> None:
    """The events of a project tell each change of it in order, with who made it."""
    await stage.live()
    place = "/v1/projects/shop/environments/production"
    await stage.ask(f"PUT {SECRETS}/GREETING", {"value": "another"})
    await stage.done(f"POST {place}/restart")

    found = (await stage.get("/v1/events?after=0&project=shop"))["items"]

    assert [event["kind"] for event in found if event["kind"].startswith("audit.")] == [
        "audit.secret.added",
        "audit.secret.changed",
        "audit.deployment.restart",
    ]
    assert "deployment.live" in [event["kind"] for event in found]


async def test_events_are_followed(stage: Stage) -> None:
    """Followed, events go on after the last one that the client has."""
    await stage.project("one")
    await stage.project("two")
    (first, second) = (await stage.get("/v1/events?after=0"))["items"]

    async for event in stage.events("/v1/events", {"Last-Event-ID": str(first["id"])}):
        assert (event["id"], event["event"]) == (str(second["id"]), "audit.project.created")
        break


async def test_secrets_come_from_a_file_and_go_into_one(stage: Stage) -> None:
    """`sync push` adds and changes what the file names, and deletes nothing; `pull` writes a file that gives the same again."""
    await stage.project()
    await stage.secret("a-greeting")
    odd = "two\nlines 'and' \"quotes\" \\ $HOME"
    await stage.ask(f"POST {SECRETS}", {"name": "KEEP", "value": odd, "environments": ["production"]})
    await stage.ask(f"POST {SECRETS}", {"name": "WINDOWS", "value": "a\r\nb", "environments": ["production"]})
    given, taken = stage.folder / "given.env", stage.folder / "taken.env"
    given.write_text("# ours\nGREETING=other-greeting\nNEW='with space # and hash'\n")
    taken.write_text("BEFORE=1\n")
    taken.chmod(0o644)
    at = ("-e", "production", "-p", "shop", "--file")

    pushed = await stage.hostess("secrets", "sync", "push", *at, str(given))
    again = await stage.hostess("secrets", "sync", "push", *at, str(given), "-o", "json")
    pulled = await stage.hostess("secrets", "sync", "pull", *at, str(taken))
    back = await stage.hostess("secrets", "sync", "push", *at, str(taken), "-o", "json")

    assert (pushed.code, pushed.out) == (0, "production: NEW added\nproduction: GREETING changed\n"), pushed.err
    assert "1 added, 1 changed, 0 unchanged; 2 in" in pushed.err
    assert again.json == {"added": [], "changed": [], "unchanged": ["GREETING", "NEW"]}
    assert (pulled.code, pulled.out, taken.stat().st_mode & 0o777) == (0, "", 0o600)
    assert back.json == {"added": [], "changed": [], "unchanged": ["GREETING", "KEEP", "NEW", "WINDOWS"]}
    assert "other-greeting" not in pushed.out + pushed.err + pulled.err
    assert sorted(path.name for path in stage.folder.glob("*.env*")) == ["given.env", "taken.env"]


async def test_files_of_secrets_that_are_none(stage: Stage) -> None:
    """A file that is not there, or not of that form, is refused with its line before anything is changed."""
    await stage.project()
    (stage.folder / "bad.env").write_text("GOOD=1\nno value here\n")
    at = ("-e", "production", "-p", "shop", "--file")

    absent = await stage.hostess("secrets", "sync", "push", *at, str(stage.folder / "none.env"))
    bad = await stage.hostess("secrets", "sync", "push", *at, str(stage.folder / "bad.env"))
    nowhere = await stage.hostess("secrets", "sync", "pull", *at, str(stage.folder / "nowhere" / "x.env"))
    without = await stage.hostess("secrets", "sync", "pull", "-p", "shop")

    assert (absent.code, bad.code, nowhere.code, without.code) == (3, 2, 1, 2)
    assert "bad.env:2:1: a line of the form NAME=value was expected" in bad.err
    assert (await stage.get(SECRETS))["items"] == []


async def test_secrets_of_two_environments_are_compared(stage: Stage) -> None:
    """What only one has, what differs and what is the same is told by name; values only when they are asked for."""
    await stage.project()
    values = {
        "staging": {"ONE": "value-a", "BOTH": "value-c", "SAME": "value-e"},
        "production": {"TWO": "value-b", "BOTH": "value-d", "SAME": "value-e"},
    }
    for environment, each in values.items():
        for name, value in each.items():
            await stage.ask(f"POST {SECRETS}", {"name": name, "value": value, "environments": [environment]})

    plain = await stage.hostess("secrets", "diff", "staging", "production", "-p", "shop")
    shown = await stage.hostess("secrets", "diff", "staging", "production", "-p", "shop", "--show-values", "-o", "json")

    assert [line.split(maxsplit=1) for line in plain.out.splitlines()[1:]] == [
        ["BOTH", "different"],
        ["ONE", "only in staging"],
        ["SAME", "identical"],
        ["TWO", "only in production"],
    ]
    assert "value-" not in plain.out + plain.err
    assert shown.json[1] == {"name": "ONE", "difference": "first", "values": ["value-a", None]}
