"""Time, chance and what the host has; and the fake of time."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path

from hostess.adapters.clock_system import SystemClock
from hostess.adapters.meter_psutil import HostMeter, routed
from hostess.domain.host_figures import Strain
from hostess.domain.ports import Clock, Meter
from tests.fakes.clock import START, FakeClock

TABLE = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000D50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
down\t0000640A\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def test_clock() -> None:
    """The time is now, in UTC, and tokens are chance of the length asked for."""
    clock: Clock = SystemClock()

    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert clock.now().tzinfo is UTC
    assert len(clock.token(48)) == 12
    assert clock.token(128) != clock.token(128)
    assert set(clock.token(256)) <= set("0123456789abcdef")


def test_meter(tmp_path: Path) -> None:
    """The host has disk, memory, cores and a loopback network."""
    meter: Meter = HostMeter()
    total, available = meter.memory()

    assert meter.free_disk(str(tmp_path)) > 0
    assert total > available > 0
    assert meter.cpus() == len(os.sched_getaffinity(0))
    assert "127.0.0.0/8" in meter.subnets()


def test_figures(tmp_path: Path) -> None:
    """What is used of the host is told: of this one as it is, of another by what its kernel writes."""
    (tmp_path / "pressure").mkdir()
    line = "{} avg10=90.00 avg60={} avg300=1.00 total=1\n"
    (tmp_path / "pressure" / "memory").write_text(line.format("some", "12.50") + line.format("full", "3.25"))
    (tmp_path / "pressure" / "cpu").write_text(line.format("some", "7.00"))
    (tmp_path / "pressure" / "io").write_text("nonsense")
    (tmp_path / "sys" / "fs").mkdir(parents=True)
    (tmp_path / "sys" / "fs" / "file-nr").write_text("1200\t0\t9223372036854775807\n")

    here, there = HostMeter().figures(), HostMeter(kernel=tmp_path).figures()

    assert here.memory > here.available > 0
    assert here.cpu_total > here.cpu_busy > 0
    assert here.own_files_limit >= here.own_files > 2
    assert here.files_limit >= here.files > 2
    assert there.strain == {"memory": Strain(12.5, 3.25), "cpu": Strain(7.0)}
    assert (there.files, there.files_limit) == (1200, 9223372036854775807)
    assert HostMeter(kernel=tmp_path / "absent").figures().strain == {}


def test_routes() -> None:
    """Routes that are up count, the default route does not."""
    assert list(routed(TABLE.splitlines())) == [IPv4Network("192.168.2.0/24"), IPv4Network("10.213.0.0/16")]


def test_no_routing_table(tmp_path: Path) -> None:
    """Where the kernel shows no routes the addresses count."""
    assert "127.0.0.0/8" in HostMeter(tmp_path / "absent").subnets()


async def test_flowing_time() -> None:
    """Flowing time passes by sleeping, without any wait."""
    clock = FakeClock()
    async with asyncio.timeout(25):
        await clock.sleep(3600)

    assert clock.now() == START + timedelta(hours=1)
    assert len(clock.token(48)) == 12
    assert clock.token(48) != clock.token(48)


async def test_standing_time() -> None:
    """Standing time passes when the test says so; a sleeper that was cancelled is forgotten."""
    clock = FakeClock(flowing=False)
    short, long, gone = (asyncio.create_task(clock.sleep(seconds)) for seconds in (1, 10, 5))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    clock.advance(2)
    await short

    assert not long.done()
    assert clock.sleeping == 1
    clock.advance(8)
    await long
