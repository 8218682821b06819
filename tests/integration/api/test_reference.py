"""The reference of the API for people: the page that the daemon serves, and the one in the repository."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

from hostess.doors.api.app import OPERATIONS
from tests.integration.api.stage import Stage

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "api.md"


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.headings: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag; what is opened must be closed."""
        found = dict(attrs)
        self.tags.add(tag)
        assert not [name for name in found if name in {"src", "style"} or name.startswith("on")]
        if "id" in found:
            assert found["id"] not in self.ids
            self.ids.add(str(found["id"]))
        if "href" in found:
            self.links.add(str(found["href"]))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """See that it closes what was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note the text of headings of operations."""
        if self.open[-2:] == ["h3", "code"]:
            self.headings.append(data)


async def test_the_page_shows_every_operation_without_a_script(stage: Stage) -> None:
    """The daemon serves a page with all operations, whose links lead somewhere in it; it loads and runs nothing."""
    said = await stage.ask("GET /v1/docs", token="")

    page = Page(said.text)
    assert (said.status, said.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert sorted(page.headings) == sorted(f"{operation.method} {operation.path}" for operation in OPERATIONS)
    assert page.links == {link for link in page.links if link.startswith("#") and link[1:] in page.ids}
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert page.open == []
    assert said.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "For owner and developer." in said.text
    assert "from 1 to 100" in said.text


def test_the_page_in_the_repository_is_the_one_of_today() -> None:
    """The page in the repository equals what scripts/reference writes."""
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "api_page.py"], capture_output=True, check=True, text=True, timeout=30
    )

    assert PAGE.read_text(encoding="utf-8") == made.stdout, "run scripts/reference"
