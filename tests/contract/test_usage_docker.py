"""What the kernel counts of a container of this host is found."""

import subprocess

import pytest

from hostess.adapters.cgroup_files import CgroupFiles
from tests.contract.engines import ECHO_SH
from tests.system.host import until

pytestmark = pytest.mark.docker


def docker(*arguments: str) -> str:
    """Call docker."""
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def test_this_host() -> None:
    """What a container on this host uses is found, and grows when it works."""
    container = docker("run", "-d", "--entrypoint", "sh", ECHO_SH, "-c", "while true; do :; done")
    try:
        first = CgroupFiles().of(container)
        assert first is not None
        assert first.memory > 0
        until(lambda: (now := CgroupFiles().of(container)) and now.cpu > first.cpu + 0.1, 30, "some use of the CPU")
    finally:
        docker("rm", "-f", container)
