"""Rotations by API and command line: who may ask for one, and of what."""

from tests.integration.api.stage import Stage

PATH = "/v1/projects/shop/environments/production/services/web/rotation"


async def test_what_has_no_password_of_ours_is_not_rotated(stage: Stage) -> None:
    """A service that is no database is refused with what to do instead, one that is not there with those that are."""
    await stage.live()

    app = await stage.hostess("services", "rotate", "web", "-p", "shop")
    nobody = await stage.hostess("services", "rotate", "nobody", "-p", "shop")

    assert app.code == 2
    assert "Hostess makes passwords for postgres and redis alone" in app.err
    assert "hostess secrets edit" in app.err
    assert (nobody.code, "has no service nobody" in nobody.err) == (3, True)


async def test_who_may_see_no_secrets_rotates_none(stage: Stage) -> None:
    """A viewer may not ask for it; a developer may."""
    await stage.live()

    assert (await stage.ask(f"POST {PATH}", {}, token=await stage.a_token("viewer"))).status == 403
    refused = await stage.ask(f"POST {PATH}", {}, token=await stage.a_token("developer"))
    assert refused.json["code"] == "not-a-database"
