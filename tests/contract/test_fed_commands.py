"""Commands in a container that read what is streamed to them, by a real engine; its end is told in one of two ways."""

import hashlib
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from hostess.adapters.engine import shell as engine_shell
from hostess.adapters.engine.docker import DockerEngine
from hostess.domain.ports import Shell
from hostess.domain.problem import Problem
from tests.contract.engines import ECHO_SH, Bench, a_bench

pytestmark = pytest.mark.docker

PIECE = os.urandom(300_007)
COUNT = 20
WHOLE = PIECE * COUNT


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Give a real engine; what was made on it is removed afterwards."""
    async with a_bench(DockerEngine()) as there:
        yield there


@pytest.fixture(params=["closed", "counted"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell the end by closing half of the connection, or, as where that cannot be done, by how many bytes come."""
    if request.param == "counted":
        monkeypatch.setattr(engine_shell, "HALVES", ("no connection begins like that",))


def pieces() -> Iterator[bytes]:
    """Yield all of it."""
    for _ in range(COUNT):
        yield PIECE


async def test_a_command_reads_all_of_it(bench: Bench) -> None:
    """Every byte arrives, and then the end: what follows in the command is carried out."""
    container = await bench.running("fed", image=ECHO_SH)

    def work(shell: Shell) -> str:
        shell.feed(("sh", "-c", "cat > /tmp/fed; sha256sum < /tmp/fed > /tmp/sum"), pieces(), len(WHOLE))
        return b"".join(shell.output(("cat", "/tmp/sum"))).decode()

    found = await bench.engine.within(container, "fed", work)

    assert found.split()[0] == hashlib.sha256(WHOLE).hexdigest()


async def test_a_command_that_fails_meanwhile(bench: Bench) -> None:
    """One that ends before it has read all of it has failed with its own words."""
    container = await bench.running("fails", image=ECHO_SH)

    with pytest.raises(Problem, match="exit code 3: enough") as raised:
        await bench.engine.within(
            container,
            "fails",
            lambda shell: shell.feed(
                ("sh", "-c", "head -c 10 > /dev/null; echo enough >&2; exit 3"), pieces(), len(WHOLE)
            ),
        )
    assert raised.value.code == "command-failed"


async def test_less_than_was_told(bench: Bench) -> None:
    """Where less comes than there should be that is told, and no command runs on."""
    container = await bench.running("less", image=ECHO_SH)

    with pytest.raises(Problem, match="ends 1 bytes too early"):
        await bench.engine.within(
            container,
            "less",
            lambda shell: shell.feed(("sh", "-c", "cat > /dev/null; echo after-it"), pieces(), len(WHOLE) + 1),
        )
    gone = ("sh", "-c", "while ps | grep -q '[a]fter-it'; do sleep 0.1; done; echo gone")
    assert await bench.engine.within(container, "look", lambda shell: b"".join(shell.output(gone))) == b"gone\n"
