"""docs/reference/hostess-yml.md is what the models say, and every example on it is a valid file."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.forms import Part
from hostess.domain.hostess_yml.yaml_text import block

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "hostess-yml.md"

_HEADING = re.compile(r"^## (\w[\w ]*)$")
_ROW = re.compile(r"^\| `(\w+)` \|.*\| `(\w+: .*)` \|$")

App = dict[str, Any]

PLACES: dict[str, tuple[tuple[str, ...], App]] = {
    "The file": ((), {}),
    "Service": (("services", "app"), {"type": "custom", "image": "a", "ports": [80]}),
    "Build": (("services", "app", "build"), {"source": "."}),
    "Port": (("services", "app", "ports", "[]"), {"port": 81}),
    "Resources": (("services", "app", "resources"), {}),
    "Replicas": (("services", "app", "replicas"), {"min": 1, "max": 3}),
    "Health": (("services", "app", "health"), {"http": "/"}),
    "Condition": (("services", "app", "depends_on", "database"), {}),
    "File": (("services", "app", "files", "[]"), {"name": "a", "mount": "/a", "content": "x"}),
    "Mount": (("services", "app", "persistence"), {"mount": "/d"}),
    "Proxy": (("services", "shop", "proxy"), {"path": "/shop"}),
    "Buffer": (("services", "shop", "proxy", "buffer_requests"), {}),
    "RateLimit": (("services", "shop", "proxy", "rate_limit"), {"requests": 100, "per": "1m"}),
    "Hsts": (("services", "shop", "proxy", "hsts"), {"subdomains": True}),
    "Lifecycle": (("services", "app", "lifecycle"), {}),
    "Hook": (("services", "app", "lifecycle", "migrate"), {"command": ["x"]}),
    "Backups": (("services", "database", "backups"), {"schedule": "daily"}),
    "Insights": (("services", "app", "insights"), {}),
    "StaticSpecial": (("services", "site", "special"), {}),
    "PostgresSpecial": (("services", "database", "special"), {}),
    "Pooler": (("services", "database", "special", "pooler"), {}),
    "RedisSpecial": (("services", "cache", "special"), {}),
    "Job": (("jobs", "job"), {"image": "a", "command": ["x"]}),
    "Environment": (("environments", "staging"), {}),
    "Override": (("environments", "staging", "services", "app"), {}),
    "Repo": (("repo",), {"provider": "github", "owner": "a", "name": "b"}),
}
"""Where the objects of the page stand in the file that examples are put into, and what they need there."""

INSTEAD: dict[tuple[str, str], tuple[tuple[str, ...], App]] = {
    ("Service", "databases"): (("services", "database"), {"type": "postgres"}),
    ("Service", "special"): (("services", "database"), {"type": "postgres"}),
    ("Service", "backups"): (("services", "database"), {"type": "postgres"}),
    ("Service", "proxy"): (("services", "shop"), {}),
    ("Service", "visibility"): (("services", "app"), {"type": "custom", "image": "a"}),
    ("Resources", "storage"): (("services", "database", "resources"), {}),
    ("Resources", "cpu"): (("services", "app", "resources"), {"memory": "1Gi"}),
    ("Resources", "memory"): (("services", "app", "resources"), {"cpu": 1}),
    ("Replicas", "target_requests"): (("services", "api", "replicas"), {"min": 0, "max": 3}),
    ("Replicas", "sleep_after"): (("services", "api", "replicas"), {"min": 0, "max": 3}),
    ("Backups", "command"): (("services", "app", "backups"), {"schedule": "daily"}),
    ("Backups", "restore_command"): (("services", "app", "backups"), {"schedule": "daily", "command": ["x"]}),
    ("Job", "schedule"): (("jobs", "job"), {"image": "a", "command": ["x"], "run": "cron"}),
    ("Hook", "job"): (("services", "app", "lifecycle", "migrate"), {}),
}
"""The keys that apply to another type than the others, or that need a companion."""

EXCLUDES = {"build": ("image",), "source": ("content", "image"), "secret": ("content",), "command": ("http",)}


def surroundings() -> App:
    """Return a file with one service of each kind that examples refer to."""
    return {
        "services": {
            "app": {"type": "custom", "image": "a"},
            "api": {"type": "fastapi", "image": "a", "env": {"DB": "${database.url}"}},
            "worker": {"type": "custom", "image": "a", "visibility": "private"},
            "shop": {"type": "custom", "image": "a", "domains": ["example.com", "www.example.com"]},
            "site": {"type": "static", "source": "."},
            "database": {"type": "postgres"},
            "cache": {"type": "redis"},
        },
        "jobs": {
            "seed": {"image": "a", "command": ["x"]},
            "upgrade": {"image": "a", "command": ["x"], "run": "lifecycle"},
        },
    }


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield object, key and example of every row of the page's tables of keys."""
    heading = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if found := _HEADING.match(line):
            heading = found[1]
        elif (row := _ROW.match(line)) and heading in PLACES:
            yield heading, row[1], row[2].replace("\\|", "|")


def file_with(place: tuple[str, ...], needed: App, key: str, example: str) -> str:
    """Return a whole file in which the example stands where it belongs."""
    whole = surroundings()
    node: Any = whole
    for step in place:
        if step == "[]":
            node.append({})
            node = node[0]
            continue
        following = place[place.index(step) + 1 :][:1]
        node = node.setdefault(step, [] if following == ("[]",) else {})
    node.update(needed)
    for name in EXCLUDES.get(key, ()):
        node.pop(name, None)
    if place == ("services", "app", "build"):
        whole["services"]["app"].pop("image")
    node[key] = "put-the-example-here"
    return re.sub(rf'"?{key}"?: put-the-example-here', lambda _: example, block(whole))


def test_the_page_is_what_the_models_say() -> None:
    """The page in the repository equals what scripts/reference writes."""
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference_page.py"], capture_output=True, check=True, text=True, timeout=30
    )

    assert PAGE.read_text(encoding="utf-8") == made.stdout, "run scripts/reference"


def test_the_page_is_complete() -> None:
    """Every key of every model stands on the page with an example."""
    listed = {key for _, key, _ in rows()}

    assert listed == {key for part in Part.__subclasses__() for key in part.model_fields}


def test_whole_examples_are_valid() -> None:
    """The files that the page shows are valid."""
    files = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

    assert [len(parse(text).services) for text in files] == [1, 5]


@pytest.mark.parametrize(("heading", "key", "example"), list(rows()), ids=lambda value: value.partition(":")[0])
def test_example_of_a_key(heading: str, key: str, example: str) -> None:
    """The example of a key makes a valid file where the key belongs."""
    place, needed = INSTEAD.get((heading, key)) or PLACES[heading]

    text = file_with(place, needed, key, example)

    assert example in text
    assert parse(text).services
