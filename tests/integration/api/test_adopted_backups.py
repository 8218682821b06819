"""Taking over backups of another host: only below the folder of a service."""

import pytest

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
