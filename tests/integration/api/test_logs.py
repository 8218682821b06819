"""Logs on the command line: of several services in one order, filtered, and of replicas that are gone."""

import asyncio
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hostess.adapters.past_logs_files import KEEP, FilePastLogs
from hostess.domain.ports import LogLine
from hostess.domain.redaction import SecretRedactor
from hostess.services.past_logs import BYTES, read, written
from tests.integration.api.stage import WITHIN, Stage, served

NOW = datetime.now(UTC)
SECRET = "a-secret-of-mine"
PLACE = ("shop", "production", "web")
LOGS = "projects/shop/environments/production/services/web/logs"


async def test_several_services_in_one_order(stage: Stage) -> None:
    """Lines of several services carry their names and come by time; --grep takes those that fit; JSON lines have their fields."""
    await stage.live()
    both = await stage.hostess("logs", "web", "worker", "-p", "shop")
    found = await stage.hostess("logs", "web", "worker", "-p", "shop", "--grep", "no such line", "-o", "json")
    wrong = await stage.hostess("logs", "web", "-p", "shop", "--grep", "(")

    names = [line.split()[0] for line in both.out.splitlines()]
    assert set(names) == {"web", "worker"}
    assert (found.code, found.out) == (0, "")
    assert (wrong.code, "no regular expression" in wrong.err) == (2, True)


async def test_what_replicas_wrote_that_are_gone(stage: Stage) -> None:
    """--previous shows it; on the disk it cannot be read by anybody; it goes with its project."""
    await stage.live(SECRET)
    before = await stage.hostess("logs", "web", "-p", "shop", "-o", "json")
    first = {json.loads(line)["text"] for line in before.out.splitlines()}
    # What it ran with is known then, although somebody has changed it, and the daemon was started anew since.
    await stage.ask("PUT /v1/projects/shop/secrets/GREETING", {"value": "another-value"})
    stage.services.replicas.past_logs._redactor = SecretRedactor()
    assert (await stage.hostess("services", "restart", "web", "-p", "shop")).code == 0
    folder = stage.folder / "logs" / "services" / "shop" / "production" / "web"
    async with asyncio.timeout(WITHIN):
        while not (folder.is_dir() and any(folder.iterdir())):
            await asyncio.sleep(0.01)
    shown = await stage.hostess("logs", "web", "-p", "shop", "--previous", "-o", "json", "-n", "1000")
    plain = await stage.hostess("logs", "web", "-p", "shop", "-o", "json", "-n", "1000")

    [past] = await stage.services.replicas.past_logs.of(*PLACE)
    assert "GREETING=[hidden]" in {line.text for line in past.lines}
    assert first
    texts = [json.loads(line)["text"] for line in shown.out.splitlines()]
    assert len(texts) > len(plain.out.splitlines())
    assert first <= set(texts)
    kept = b"".join(path.read_bytes() for path in folder.iterdir())
    assert not any(text.encode() in kept for text in first)
    assert (await stage.hostess("projects", "delete", "shop", "--force")).code == 0
    assert not folder.exists()


class Watched(SecretRedactor):
    """A redactor that remembers on which threads it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[threading.Thread] = set()

    def hide(self, text: str) -> str:
        """Note who asks."""
        self.threads.add(threading.current_thread())
        return super().hide(text)


@pytest.mark.parametrize("more", ["", "?previous=true&tail=2000"])
async def test_many_lines_hold_up_nobody(stage: Stage, tmp_path: Path, more: str) -> None:
    """Secrets in the lines of logs, thousands of them, are looked for on another thread than that which answers everybody."""
    await stage.live()
    [container, *_] = await stage.services.replicas.of_place(*PLACE[:2])
    await stage.services.replicas.past_logs.keep(container)
    watched = Watched()

    async with served(replace(stage.services, redactor=watched), tmp_path) as url:
        sent = {"Authorization": f"Bearer {stage.token}"}
        async with stage.session.get(f"{url}/v1/{LOGS}{more}", headers=sent) as answer:
            assert answer.status == 200
            assert "PLAIN=word" in await answer.text()

    assert watched.threads
    assert threading.current_thread() not in watched.threads


def test_how_much_is_kept(tmp_path: Path) -> None:
    """The newest files of a service, none that is too old; of a replica its last lines that fit."""
    files = FilePastLogs(tmp_path)
    for number in range(KEEP + 5):
        files.put(PLACE, f"{number:03}-v1.1", str(number), NOW)
    assert list(files.texts(PLACE).values()) == [str(number) for number in range(5, KEEP + 5)]
    files.put(("shop", "production", "other"), "a", "text", NOW + timedelta(days=8))
    assert files.texts(PLACE) == {}
    files.forget("shop", "production")
    assert not list(tmp_path.rglob("*.*"))

    lines = [LogLine(NOW, "stdout", str(number) + "x" * 10_000) for number in range(300)]
    kept = read(written(lines))
    assert sum(len(line.text) for line in kept) < BYTES
    assert kept == tuple(lines[-len(kept) :])
    assert len(kept) > 100


async def test_a_reader_that_comes_back_misses_nothing(stage: Stage) -> None:
    """Whoever goes on after a line gets all lines that came since, though no more than one was asked for to begin with."""
    await stage.live()
    every = [each async for each in stage.events(f"/v1/{LOGS}?tail=100")]
    rest = [each async for each in stage.events(f"/v1/{LOGS}?tail=1", {"Last-Event-ID": every[0]["id"]})]

    assert len(every) > 3
    assert rest == every[1:]
