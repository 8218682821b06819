"""Tokens that open services for a team: the proxy knows of each change when its command ends."""

from hashlib import sha256

from tests.integration.api.stage import FILE, Stage


async def test_tokens_reach_the_proxy_at_once(stage: Stage) -> None:
    """A token that is made or revoked is in the table, or out of it, when its command ends; `services list` tells who is asked."""
    await stage.project()
    await stage.secret("a-greeting")
    assert (await stage.push(FILE.replace("visibility: public", "visibility: team"))).accepted
    [owner] = stage.router.table[0].sign_in or ()

    made = await stage.hostess("tokens", "create", "guest", "--role", "viewer", "-o", "json")
    both = stage.router.table[0].sign_in
    revoked = await stage.hostess("tokens", "revoke", made.json["id"], "--force")
    listed = await stage.hostess("services", "list", "-p", "shop", "--detailed")

    assert both == (owner, sha256(made.json["token"].encode()).hexdigest())
    assert (revoked.code, stage.router.table[0].sign_in) == (0, (owner,))
    assert "http://shop-web.localhost:8080  (asks for sign-in)\n" in listed.out
    assert "port 8000  http://shop-web.localhost:8080  (asks for sign-in)\n" in listed.out
    web, worker = (await stage.get("/v1/projects/shop/environments/production/services"))["items"]
    assert [port["sign_in"] for service in (web, worker) for port in service["ports"]] == [True, False]


async def test_a_proxy_that_does_not_hear_of_a_revocation(stage: Stage) -> None:
    """A token is revoked even while the proxy is away, which is told; one that is made then is shown all the same."""
    stage.router.is_gone = True
    made = await stage.ask("POST /v1/tokens", {"name": "guest"})

    revoked = await stage.ask(f"DELETE /v1/tokens/{made.json['id']}")

    assert made.status == 201
    assert (revoked.status, revoked.code) == (503, "proxy-not-told")
    assert "is revoked" in revoked.json["title"] + revoked.json.get("detail", "")
    assert (await stage.ask("GET /v1/whoami", token=made.json["token"])).status == 401
