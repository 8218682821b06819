"""What a build takes from an app that serves: its latency while a build eats all that it may and forks, against that of before.

    builds.py [--rounds 3] [--seconds 15]

Requests come at a steady rate whatever becomes of those before them; each is measured from the moment at which it was due.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy import emit
from installation import PLAIN, ROOT, Installation, Repository, installation

MEMORY = "2Gi"
"""What the build may take: it takes all of it, again and again."""
RATE = 100
CONNECTIONS = 20
GOAL = 2.0
LATE = 30.0
BEGIN_WITHIN = 120.0
APP = "bench-served-api.localhost"
HUNGRY = """import os, time

end = time.monotonic() + {seconds}
children = 0
while time.monotonic() < end:
    if children < 16:
        children += 1
        if not os.fork():
            held = []
            while time.monotonic() < end:
                held.append(b"x" * (4 << 20))
            os._exit(0)
    else:
        os.wait()  # the kernel kills the largest of them for want of memory
        children -= 1
raise SystemExit("that was all")
"""
STACK = """version: "1.0"
services:
  hungry:
    type: custom
    build: {source: .}
    command: ["true"]
"""


async def loaded(host: Installation, seconds: float) -> tuple[list[float], int]:
    """Ask the app for so long; return the seconds that answers took, and how many requests failed."""
    took: list[float] = []
    failed = 0
    address, _, port = host.proxy.rpartition(":")
    began = time.perf_counter()

    async def client(number: int) -> None:
        nonlocal failed
        connection = None
        for due in due_times(number, seconds):
            await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            try:
                async with asyncio.timeout(LATE):
                    connection = connection or await asyncio.open_connection(address, int(port))
                    ok = await answered(*connection)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                ok, connection = False, None
            took.append(time.perf_counter() - began - due)
            failed += not ok
        if connection is not None:
            connection[1].close()

    await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    return took, failed


def due_times(number: int, seconds: float) -> Iterator[float]:
    """Yield when the requests of a client are due."""
    due = number / RATE
    while due < seconds:
        yield due
        due += CONNECTIONS / RATE


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Ask once; return whether the answer is a good one."""
    writer.write(f"GET / HTTP/1.1\r\nHost: {APP}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
    return head.startswith("http/1.1 200 ")


@contextmanager
def hungry_build(repository: Repository, mark: str, seconds: float) -> Iterator[None]:
    """Build something that eats all it may, meanwhile; it fails in the end, as it is meant to."""
    (repository.folder / f"{mark}.py").write_text(HUNGRY.format(seconds=seconds), encoding="utf-8")
    dockerfile = f"FROM python:3.12-slim\nCOPY {mark}.py /\nRUN python3 /{mark}.py\n"
    (repository.folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    repository.commit(mark)
    push = subprocess.Popen(
        ["git", "push", "hostess", "main"],
        cwd=repository.folder, env=PLAIN, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        give_up = time.monotonic() + BEGIN_WITHIN
        while len(processes(mark)) < 2:  # noqa: PLR2004 -- it has forked
            if push.poll() is not None or time.monotonic() > give_up:
                raise SystemExit(f"the build did not begin: {push.communicate()[1]}")
            time.sleep(0.1)
        yield
        if not processes(mark):
            raise SystemExit("the build has ended before the measurement")
    finally:
        said = push.communicate()[1]
    if "that was all" not in said:
        raise SystemExit(f"the build did not end as it should: {said}")


def processes(mark: str) -> list[int]:
    """Return the resident bytes of each process of a build."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            line = (each / "cmdline").read_bytes()
            pages = int((each / "statm").read_text(encoding="utf-8").split()[1])
        except OSError:  # it has ended
            continue
        if line.startswith(b"python3\0") and mark.encode() in line:
            found.append(pages * os.sysconf("SC_PAGE_SIZE"))
    return found


def percentile(took: list[float]) -> float:
    """Return the 95th percentile in milliseconds."""
    return statistics.quantiles(took, n=20)[18] * 1000


def measure(host: Installation, rounds: int, seconds: float) -> None:
    """Measure before and during builds, in turns."""
    served = host.repository("bench-served", ROOT / "examples" / "fastapi-minimal")
    served.push("hostess")
    builder = host.repository("bench-hungry", {"hostess.yml": STACK})
    asyncio.run(loaded(host, 2.0))
    before: list[float] = []
    during: list[float] = []
    eaten: list[float] = []
    requests = failed = 0
    for number in range(rounds):
        took, lost = asyncio.run(loaded(host, seconds))
        before.append(percentile(took))
        with hungry_build(builder, f"hungry{number}", seconds + 15):
            slow, more = asyncio.run(loaded(host, seconds))
            eaten.append(sum(processes(f"hungry{number}")) / 2**20)
        during.append(percentile(slow))
        requests, failed = requests + len(took) + len(slow), failed + lost + more
    emit(
        "builds.latency.p95",
        statistics.median(during) / statistics.median(before),
        "ratio",
        "the same app without a build",
        goal=GOAL,
        before_ms=[round(each, 2) for each in before],
        during_ms=[round(each, 2) for each in during],
        requests=requests,
        failed=failed,
        build_may_take=MEMORY,
        build_took_mib=[round(each) for each in eaten],
        load=os.getloadavg()[0],
    )
    if failed:
        raise SystemExit(f"{failed} of {requests} requests failed")


def main() -> None:
    """Measure on a fresh installation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0)
    given = parser.parse_args()
    sys.stderr.write("an app beside builds that eat all they may\n")
    with installation({"HOSTESS_BUILD__MEMORY": MEMORY}) as host:
        measure(host, given.rounds, given.seconds)


if __name__ == "__main__":
    main()
