"""Whether people would be told, asked by command."""

import json
from pathlib import Path

from hostess.domain.settings import NotifySettings
from tests.integration.api.stage import Stage, opened


async def test_each_way_answers(tmp_path: Path) -> None:
    """`hostess notify test` sends a notice by each way that is set, shows what each answered, and ends with 1 when one failed."""
    settings = {"command": f"tee {tmp_path}/told", "webhook": {"url": "http://127.0.0.1:1/hush"}}
    async with opened(tmp_path, NotifySettings.model_validate(settings)) as stage:
        ran = await stage.hostess("notify", "test")
        listed = await stage.hostess("notify", "test", "-o", "json")

    assert (ran.code, listed.code) == (1, 1)
    assert "not sent by webhook" in ran.err
    assert "hush" not in ran.out + ran.err
    assert [line.split()[:2] for line in ran.out.splitlines()[1:]] == [["webhook", "failed"], ["command", "sent"]]
    assert [each["taken"] for each in listed.json] == [False, True]
    told = json.loads((tmp_path / "told").read_text())
    assert [each["kind"] for each in told["notices"]] == ["notify.test"]


async def test_no_way_is_set(stage: Stage) -> None:
    """Where no way is set, the command says so, and what to set."""
    ran = await stage.hostess("notify", "test")

    assert (ran.code, ran.out) == (1, "")
    assert "notify.webhook.url" in ran.err
