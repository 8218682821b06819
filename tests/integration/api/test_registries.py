"""Registries by API and command line, and what they are for: private images."""

import json

from tests.fakes.building import Recipe
from tests.integration.api.stage import FILE, Stage, leaky

PASSWORD = "open-sesame-4711"
PRIVATE = FILE.replace("image: leaky:1", "image: private.test/leaky:1")


def with_private_image(stage: Stage) -> None:
    """Let there be a registry that gives its image to octocat alone."""
    stage.engine.accounts["private.test"] = ("octocat", PASSWORD)
    stage.engine.registry["private.test/leaky:1"] = Recipe(
        {"/leaky": leaky}, entrypoint=("/leaky",), env={"PORT": "8000"}
    )


async def test_a_private_image_runs_after_a_login(stage: Stage) -> None:
    """What cannot be fetched says what to do; after that it is fetched and runs; after a logout what is here stays."""
    with_private_image(stage)
    await stage.project()
    await stage.secret("a-greeting")

    refused = await stage.push(PRIVATE)
    signed_in = await stage.hostess("registry", "login", "private.test", "-u", "octocat", given=f"{PASSWORD}\n")
    taken = await stage.push(PRIVATE)
    listed = await stage.hostess("registry", "list")
    rows = json.loads((await stage.hostess("registry", "list", "-o", "json")).out)
    signed_out = await stage.hostess("registry", "logout", "private.test")
    again = await stage.hostess("registry", "logout", "private.test")
    later = await stage.push(PRIVATE)

    assert (refused.accepted, taken.accepted, later.accepted) == (False, True, True)
    assert (signed_in.code, signed_in.out) == (0, "signed in at private.test as octocat\n"), signed_in.err
    assert "private.test  octocat" in listed.out
    assert [(row["host"], row["user"]) for row in rows] == [("private.test", "octocat")]
    assert (signed_out.code, signed_out.out) == (0, "signed out of private.test\n")
    assert (again.code, "nobody is signed in" in again.err) == (3, True)
    kinds = [event.kind for event in await stage.journal.events()]
    assert [kind for kind in kinds if "registry" in kind] == ["audit.registry.login", "audit.registry.logout"]


async def test_a_login_that_is_not_taken_is_not_kept(stage: Stage) -> None:
    """A wrong password is told at once, and the login that worked before stays."""
    with_private_image(stage)

    none = await stage.hostess("registry", "login", "private.test", "-u", "octocat", given="")
    await stage.hostess("registry", "login", "private.test", "-u", "octocat", given=PASSWORD)
    wrong = await stage.hostess("registry", "login", "private.test", "-u", "octocat", "--password", "guessed-wrong")
    odd = await stage.ask("PUT /v1/registries/ghcr.io%2Fme", {"user": "a", "password": "b"})

    assert none.code == 2
    assert (wrong.code, "does not take this user and password" in wrong.err) == (2, True)
    assert "guessed-wrong" not in wrong.err
    assert (odd.status, odd.code) == (422, "registry-invalid")
    await stage.world.registries.image("private.test/leaky:1", lambda _: None)


async def test_the_password_is_nowhere(stage: Stage) -> None:
    """It is in no answer, no event, and, in clear, in no file of the daemon."""
    with_private_image(stage)

    said = await stage.ask("PUT /v1/registries/private.test", {"user": "octocat", "password": PASSWORD})
    texts = [
        said.text,
        json.dumps(await stage.get("/v1/registries")),
        json.dumps(await stage.get("/v1/events?after=0")),
    ]
    files = b"".join(path.read_bytes() for path in stage.folder.rglob("*") if path.is_file())

    assert said.status == 200
    assert not [text for text in texts if PASSWORD in text]
    assert b"octocat" in files
    assert PASSWORD.encode() not in files
    assert await stage.world.registries.passwords() == {PASSWORD}
    assert stage.services.redactor.hide(f"x {PASSWORD}") == "x [hidden]"
