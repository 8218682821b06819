"""The soak in its short form: each way to fail that is quick, once, on a machine of its own (scenarios 29, 35, 46)."""

import subprocess
from pathlib import Path

import pytest

from tests.system.soak.asking import Asked
from tests.system.soak.invariants import judged
from tests.system.soak.world import Outage

ROOT = Path(__file__).parents[3]
FAULTS = "kill-daemon,reboot,kill-worker,fill-disk,kill-container,jump-clock,kill-proxy"
SEED = "11"


@pytest.mark.timeout(400)
def test_whatever_is_killed_all_is_as_it_must_be_afterwards() -> None:
    """With two projects in use and asked all the time, each fault leaves nobody a wrong answer, nothing lost, and nothing over."""
    steps = str(FAULTS.count(",") + 1)
    words = ["--faults", FAULTS, "--steps", steps, "--hold", "2", "--seed", SEED]

    soak = subprocess.run([ROOT / "scripts" / "soak", *words], capture_output=True, text=True, check=False, timeout=390)

    assert soak.returncode == 0, soak.stdout + soak.stderr
    assert all(f"\n{fault} " in soak.stdout for fault in FAULTS.split(",")), soak.stdout


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(1, 2, "left-web.localhost", 200, "left/web/3"), ""),
        (Asked(1, 2, "left-web.localhost", 200, "right/web/3"), "a wrong answer"),
        (Asked(1, 2, "left-web.localhost", 200, "left/api/3"), "a wrong answer"),
        (Asked(1, 2, "left-web.localhost", 200, ""), "a wrong answer"),
        (Asked(1, 2, "left-api.localhost", 200, "left/api/4"), "a wrong answer"),
        (Asked(11, 12, "left-web.localhost", 404, ""), "a route is missing"),
        (Asked(1, 2, "left-web.localhost", 502, ""), "without an excuse"),
        (Asked(11, 12, "right-web.localhost", 502, ""), "without an excuse"),
        (Asked(9, 10, "left-web.localhost", 0, ""), ""),
        (Asked(12, 13, "left-web.localhost", 503, ""), ""),
        (Asked(12.1, 13, "left-web.localhost", 503, ""), "without an excuse"),
    ],
)
def test_an_answer_is_judged(asked: Asked, said: str) -> None:
    """Wrong is another service's answer, or a refused version's; failing needs an outage of that host that it touches."""
    outage = Outage(frozenset({"left-web.localhost"}), began=10, ended=12)

    found = judged([asked], [outage], refused={"left/api/4"})

    assert [bool(said)] == [bool(found)], found
    assert said in "".join(found)
