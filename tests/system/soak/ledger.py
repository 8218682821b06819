"""Rows that a database has said to have: none of them may ever be missing."""

import subprocess
from dataclasses import dataclass

from tests.system.host import Host

PLACE = ("project=right", "environment=production", "service=store", "role=replica")


@dataclass
class Ledger:
    """A table of right's postgres. *tried* is how many rows were sent, *kept* how many of them were said to be kept."""

    host: Host
    tried: int = 0
    kept: int = 0

    def begin(self) -> None:
        """Make the table."""
        self._psql("CREATE TABLE ledger (n int PRIMARY KEY)")

    def write(self) -> None:
        """Write one more row."""
        self.tried += 1
        self._psql(f"INSERT INTO ledger VALUES ({self.tried})")
        self.kept += 1

    def missing(self) -> list[str]:
        """Return what is wrong with the table."""
        there = int(self._psql("SELECT count(*) FROM ledger"))
        return [] if self.kept <= there <= self.tried else [f"{there} rows are in the ledger, {self.kept} were written"]

    def _psql(self, sql: str) -> str:
        [container] = self.host.containers(*PLACE, running=True)
        words = ["docker", "exec", "-i", container, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
        return subprocess.run(words, input=sql, capture_output=True, text=True, check=True, timeout=30).stdout
