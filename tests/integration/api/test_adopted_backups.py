"""Taking over backups of another host: only below the folder of a service, and only what a backup could be."""

import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from hostess.domain.backups.backup import HOST, Backup
from tests.integration.api.stage import Stage

SERVICES = "/v1/projects/shop/environments/production/services"


@pytest.mark.parametrize("name", ["..%2F..%2Fother", "%2E%2E", "a%2Fb", "-x", "default"])
async def test_what_is_no_name_is_not_looked_for(stage: Stage, name: str) -> None:
    """Whatever leads elsewhere is refused before anything is read."""
    await stage.live()

    said = await stage.ask(f"POST {SERVICES}/{name}/adopted-backups", {})

    assert (said.status, said.code) in {(404, "service-not-found"), (404, "not-found")}


async def test_there_is_nothing(stage: Stage) -> None:
    """A service without a folder has none."""
    await stage.live()

    said = await stage.ask(f"POST {SERVICES}/web/adopted-backups", {})

    assert (said.status, said.json) == (200, {"items": [], "refused": {}})


ID = "20250101-020304-abcdef"
CONTENT = b"an artefact"


def laid_down(stage: Stage, id_: str = ID, text: bytes | None = None, **other: object) -> None:
    """Put an artefact at its place, with a manifest in which some members are *other* than another host would write them."""
    folder = stage.folder / "backups" / "shop" / "production" / "web"
    folder.mkdir(parents=True, exist_ok=True)
    file = f"web-{id_}.tar.zst"
    members = {
        "backup": id_,
        "project": "shop",
        "environment": "production",
        "service": "web",
        "type": "custom",
        "engine": "",
        "release": 1,
        "trigger": "scheduled",
        "started_at": "2025-01-01T02:03:04+00:00",
        "seconds": 1.5,
        "file": file,
        "size": len(CONTENT),
        "sha256": sha256(CONTENT).hexdigest(),
        "parts": [],
        "databases": [],
    }
    (folder / file).write_bytes(CONTENT)
    (folder / f"{file}.json").write_bytes(text if text is not None else json.dumps({**members, **other}).encode())


@pytest.mark.parametrize(
    "other",
    [
        {"seconds": 1e300},
        {"seconds": float("nan")},
        {"started_at": "2025-01-01T02:03:04"},
        {"started_at": "9999-12-31T23:59:59+00:00", "seconds": 5},
        {"size": -1},
        {"sha256": "0" * 64},
        {"service": "other"},
        {"text": b"[" * 100_000},
        {"text": b"\xff\xfe"},
        {"text": b"{}"},
    ],
)
async def test_one_that_is_none_is_refused_alone(stage: Stage, other: dict[str, object]) -> None:
    """Whatever somebody has written beside an artefact, it is refused with its reason, and the others are taken over."""
    await stage.live()
    text = other.pop("text", None)
    laid_down(stage, "20250101-020304-00000a", text if isinstance(text, bytes) else None, **other)
    laid_down(stage)

    said = await stage.ask(f"POST {SERVICES}/web/adopted-backups", {})
    listed = await stage.get("/v1/projects/shop/environments/production/backups")

    assert said.status == 200, said.text
    assert list(said.json["refused"]) == ["web-20250101-020304-00000a.tar.zst"]
    assert [each["id"] for each in listed["items"]] == [ID]


async def test_an_id_that_is_no_id_is_refused(stage: Stage) -> None:
    """An id is shown to people and given to programs: nothing else passes for one."""
    await stage.live()
    laid_down(stage, "\x1b[2Jx")

    said = await stage.ask(f"POST {SERVICES}/web/adopted-backups", {})

    assert (said.json["items"], len(said.json["refused"])) == ([], 1)


async def test_the_backup_of_another_service_stays_what_it_is(stage: Stage) -> None:
    """A manifest with an id that another service's backup has does not take its place."""
    await stage.live()
    own = Backup(ID, "shop", "production", "worker", "manual", datetime.now(UTC), state="ok", checksum="its own")
    await stage.journal.put_backup(own)
    laid_down(stage)

    said = await stage.ask(f"POST {SERVICES}/web/adopted-backups", {})

    assert list(said.json["refused"]) == [f"web-{ID}.tar.zst"]
    assert await stage.journal.backups() == [own]


async def test_those_of_a_whole_host_are_kept(stage: Stage) -> None:
    """One that was taken for a backup of the other host is not let go with the next backup of this one, which does not lead to it."""
    await stage.live()
    laid_down(stage, trigger=HOST)

    said = await stage.ask(f"POST {SERVICES}/web/adopted-backups", {})

    assert [each["trigger"] for each in said.json["items"]] == ["manual"]
