"""The pages on the proxy name what there is."""

import re
from pathlib import Path

from hostess_proxy.settings import Settings
from hostess_proxy.tables.table import Database, Route
from hostess_proxy.tables.terms_parsing import TERMS
from hostess_proxy.telemetry.exposition import Now, render

DOCS = Path(__file__).parents[3] / "docs"


def named(page: str, heading: str) -> set[str]:
    """Return the names in the first column of a table, which stands below a heading."""
    section = (DOCS / page).read_text().partition(f"\n{heading}")[2].partition("\n\n")[0]
    cells = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_settings() -> None:
    """Every setting is explained, and no other."""
    assert named("proxy.md", "| key | default | |") == set(Settings.__dataclass_fields__) - {"data_dir"}


def test_keys_of_routes() -> None:
    """Every key of a route is explained, and no other."""
    assert named("proxy.md", "| key of a route |") == set(Route.__dataclass_fields__) - {"terms"} | TERMS


def test_keys_of_databases() -> None:
    """Every key of a database is explained, and no other."""
    assert named("proxy-protocols.md", "| key of a database |") == set(Database.__dataclass_fields__)


def test_metrics() -> None:
    """Every metric is explained, and no other."""
    now = Now(in_flight={}, connections=0, tunnels=0, workers=0, generation=0)
    text = render({"services": {}, "events": {}}, now)

    assert named("proxy-operation.md", "| metric |") == set(re.findall(r"# TYPE hostess_proxy_(\w+)", text))
