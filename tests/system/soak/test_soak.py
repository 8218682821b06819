"""The soak in its short form: each way to fail that is quick, once, on a machine of its own (scenarios 29, 35, 46)."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FAULTS = "kill-daemon,reboot,kill-worker,kill-engine,fill-disk,kill-container,jump-clock,kill-proxy"
SEED = "11"


@pytest.mark.timeout(240)
def test_whatever_is_killed_all_is_as_it_must_be_afterwards() -> None:
    """With two projects in use and asked all the time, each fault leaves nobody a wrong answer, nothing lost, and nothing over."""
    steps = str(FAULTS.count(",") + 1)
    words = ["--faults", FAULTS, "--steps", steps, "--hold", "2", "--seed", SEED]

    soak = subprocess.run([ROOT / "scripts" / "soak", *words], capture_output=True, text=True, check=False, timeout=230)

    assert soak.returncode == 0, soak.stdout + soak.stderr
    assert all(f"\n{fault} " in soak.stdout for fault in FAULTS.split(",")), soak.stdout
