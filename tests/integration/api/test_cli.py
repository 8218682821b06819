"""The command line against a running daemon, as a user types it."""

import re
from pathlib import Path

from tests.integration.api.stage import FILE, Stage

SENTINEL = "sentinel-cafe0123"


async def test_projects(stage: Stage) -> None:
    """A project is made, listed, shown and removed; the same name again is a conflict."""
    made = await stage.hostess("projects", "create", "shop")
    again = await stage.hostess("projects", "create", "shop")
    listed = await stage.hostess("projects", "list")
    kept = await stage.hostess("projects", "delete", "shop", given="no\n")
    gone = await stage.hostess("projects", "delete", "shop", given="yes\n")
    missing = await stage.hostess("projects", "info", "shop")

    assert (made.code, made.out) == (0, "project shop was made\n")
    assert f"git remote add hostess {stage.url}/git/shop.git" in made.err
    assert (again.code, again.out) == (7, "")
    assert listed.out.splitlines()[1].startswith("shop")
    assert (kept.code, gone.code, gone.out) == (1, 0, "project shop is gone\n")
    assert missing.code == 3
    assert "what to do: " in missing.err


async def test_a_live_project(stage: Stage, tmp_path: Path) -> None:
    """What is live is listed, inspected and read; the project comes from ./hostess.yml."""
    deployment = await stage.live()
    (tmp_path / "hostess.yml").write_text(f"name: Shop\n{FILE}")

    listed = await stage.hostess("ls", cwd=tmp_path)
    shown = await stage.hostess("inspect", cwd=tmp_path)
    services = await stage.hostess("ps", cwd=tmp_path)
    detailed = await stage.hostess("ps", "--detailed", cwd=tmp_path)
    log = await stage.hostess("dep", "logs", cwd=tmp_path)
    followed = await stage.hostess("deployments", "logs", deployment[:5], "--follow")
    status = await stage.hostess("status")

    assert re.search(rf"^shop +production +live +v1 +\w{{7}} +.* {deployment}$", listed.out, re.MULTILINE)
    assert re.search(r"^Status: +live$", shown.out, re.MULTILINE)
    assert re.search(r"^web +custom +running +1/1 +8000 +http://shop-web.localhost:8080$", services.out, re.MULTILINE)
    assert "replica v1.1  running" in detailed.out
    assert "release v1 of shop (production) is live" in log.out
    assert (followed.code, followed.err) == (0, log.out)
    assert re.search(r"^shop +production +v1 ", status.out, re.MULTILINE)


async def test_nothing_yet(stage: Stage) -> None:
    """Where there is nothing yet, standard output is empty and the hint says what to do."""
    listed = await stage.hostess("projects", "list")
    deployments = await stage.hostess("ls")
    latest = await stage.hostess("inspect")

    assert (listed.code, listed.out, deployments.out) == (0, "", "")
    assert "git push hostess main" in listed.err
    assert latest.code == 3


async def test_logs_of_services(stage: Stage) -> None:
    """Logs are printed with release and replica, secrets hidden."""
    await stage.live(SENTINEL)

    plain = await stage.hostess("logs", "web", "-p", "shop", "-n", "1")
    timed = await stage.hostess("services", "logs", "web", "-p", "shop", "--timestamps")
    as_json = await stage.hostess("logs", "web", "-p", "shop", "-n", "1", "-o", "json")
    unknown = await stage.hostess("logs", "nope", "-p", "shop")

    assert re.fullmatch(r"v1\.1 \| .*\n", plain.out)
    assert re.match(r"\d{4}-\d\d-\d\dT[^ ]+ v1\.1 \| ", timed.out)
    assert "GREETING=[hidden]" in timed.out
    assert as_json.json["replica"] == "v1.1"
    assert (unknown.code, "web, worker" in unknown.err) == (3, True)


async def test_secrets(stage: Stage) -> None:
    """Secrets are typed in or piped in, listed masked, changed and deleted; what exists is not overwritten by add."""
    await stage.project()

    added = await stage.hostess("secrets", "add", "KEY", "-p", "shop", given=f"{SENTINEL}\n")
    again = await stage.hostess("secrets", "add", "KEY", "-p", "shop", given="other\n")
    listed = await stage.hostess("secrets", "get", "-p", "shop")
    shown = await stage.hostess("secrets", "get", "KEY", "-p", "shop", "--show-values", "-o", "json")
    edited = await stage.hostess("secrets", "edit", "KEY", "-p", "shop", given="changed-value")
    set_ = await stage.hostess("secrets", "set", "KEY", "-p", "shop", "--envs", "production,staging", given="set-value")
    kept = await stage.hostess("secrets", "delete", "KEY", "-p", "shop")
    gone = await stage.hostess("secrets", "delete", "KEY", "-p", "shop", "--envs", "staging", "--force")
    missing = await stage.hostess("secrets", "edit", "NOPE", "-p", "shop", given="x")

    assert (added.code, added.out) == (0, "production: KEY added\n")
    assert (again.code, again.out) == (7, "production: KEY is there already and was left alone\n")
    assert "hostess secrets edit KEY" in again.err
    assert SENTINEL not in listed.out
    assert re.search(r"^KEY +\*{8} +1 ", listed.out, re.MULTILINE)
    assert shown.json[0]["value"] == SENTINEL
    assert edited.out == "production: KEY changed\n"
    assert "hostess services restart" in edited.err
    assert sorted(set_.out.splitlines()) == ["production: KEY changed", "staging: KEY added"]
    assert (kept.code, kept.out) == (1, "")
    assert gone.out == "staging: KEY deleted\n"
    assert (missing.code, "hostess secrets add NOPE" in missing.err) == (3, True)


async def test_restart_scale_and_rollback(stage: Stage) -> None:
    """Restart, scale and rollback are followed to their end: lines on standard error, the outcome on standard output."""
    await stage.live()

    restarted = await stage.hostess("services", "restart", "web", "-p", "shop")
    scaled = await stage.hostess("services", "scale", "web=2", "-p", "shop", "-o", "json")
    rolled = await stage.hostess("rollback", "v1", "-p", "shop")
    unknown = await stage.hostess("rollback", "v99", "-p", "shop")
    wrong = await stage.hostess("rollback", "latest", "-p", "shop")
    typo = await stage.hostess("services", "scale", "web:2", "-p", "shop")

    assert (restarted.code, restarted.out) == (0, "v2 is live in production of shop\n")
    assert "starting web" in restarted.err
    assert (scaled.json["state"], scaled.json["release"]) == ("live", 3)
    assert (rolled.code, rolled.out) == (0, "v4 is live in production of shop\n")
    assert (unknown.code, wrong.code, typo.code) == (3, 2, 2)


async def test_a_deployment_that_fails(stage: Stage) -> None:
    """A restart that cannot become live ends with exit code 1 and says what still serves."""
    await stage.live()
    await stage.hostess("secrets", "delete", "GREETING", "-p", "shop", "-f")

    failed = await stage.hostess("services", "restart", "-p", "shop")

    assert (failed.code, failed.out) == (1, "")
    assert "hostess secrets add GREETING" in failed.err
    assert "v1" in failed.err


async def test_tokens_and_signing_in(stage: Stage) -> None:
    """A new token is printed alone, signs in, serves git's credential helper, and is worthless once revoked."""
    nothing = {"HOSTESS_URL": "", "HOSTESS_TOKEN": "", "HOSTESS_DATA_DIR": str(stage.folder / "none")}
    made = await stage.hostess("tokens", "create", "ci", "--role", "viewer")
    token = made.out.strip()

    signed_in = await stage.hostess("login", "--url", stage.url, environ=nothing, given=f"{token}\n")
    me = await stage.hostess("whoami", environ=nothing)
    asked = f"protocol=http\nhost={stage.url.removeprefix('http://')}\n\n"
    helped = await stage.hostess("git-credential", "get", environ=nothing, given=asked)
    other = await stage.hostess("git-credential", "get", environ=nothing, given="protocol=https\nhost=github.com\n\n")
    listed = await stage.hostess("tokens", "list", "-o", "json")
    (row,) = [row for row in listed.json if row["name"] == "ci"]
    revoked = await stage.hostess("tokens", "revoke", row["id"], "--force")
    after = await stage.hostess("whoami", environ=nothing)
    signed_out = await stage.hostess("logout", environ=nothing)
    nobody = await stage.hostess("whoami", environ=nothing)

    assert re.fullmatch(r"hst_[\w-]{43}", token)
    assert signed_in.out == f"signed in at {stage.url} as ci (viewer)\n"
    assert re.search(r"^Role: +viewer$", me.out, re.MULTILINE)
    assert helped.out == f"username=hostess\npassword={token}\n"
    assert other.out == ""
    assert revoked.code == 0
    assert (after.code, signed_out.code, nobody.code) == (4, 0, 5)


async def test_a_wrong_token_is_not_saved(stage: Stage) -> None:
    """Signing in with a token that the daemon does not know fails and saves nothing."""
    failed = await stage.hostess("login", "--url", stage.url, "--token", "hst_nope")

    assert failed.code == 4
    assert not (stage.folder / "home" / ".config" / "hostess" / "config.json").exists()


async def test_on_the_host_no_token_is_needed(stage: Stage) -> None:
    """Over the unix socket the daemon's own user needs neither URL nor token."""
    here = {"HOSTESS_URL": "", "HOSTESS_TOKEN": "", "HOSTESS_DATA_DIR": str(stage.folder)}

    me = await stage.hostess("whoami", "-o", "json", environ=here)

    assert me.json["role"] == "owner"


async def test_exit_codes(stage: Stage) -> None:
    """Not allowed is 4, nobody there 5, no project 2."""
    viewer = await stage.a_token("viewer")

    forbidden = await stage.hostess("gc", "--token", viewer)
    unreachable = await stage.hostess("--url", "http://127.0.0.1:1", "status")
    undecided = await stage.hostess("ps")

    assert (forbidden.code, unreachable.code, undecided.code) == (4, 5, 2)
    assert "--project" in undecided.err


async def test_what_the_operator_reads(stage: Stage) -> None:
    """Events, settings, environments and garbage collection are printed for people and for programs."""
    await stage.live()

    events = await stage.hostess("events")
    settings = await stage.hostess("config", "show", "-o", "json")
    environments = await stage.hostess("environments", "ls", "-p", "shop")
    collected = await stage.hostess("gc")

    assert "audit.secret.added  shop/production  the owner: added secret GREETING" in events.out
    assert {"key": "data_dir", "value": str(stage.folder), "source": "default"} in settings.json
    assert re.search(r"^production +production .* v1 ", environments.out, re.MULTILINE)
    assert collected.out == "removed 0 images (0 B)\n"
