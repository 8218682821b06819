"""The CMS of examples/: pages in PostgreSQL, uploads in a volume, a cache in Redis; twice on one host, and changed under way."""

from dataclasses import dataclass

import pytest

from tests.system.host import Host, Repository, docker
from tests.system.sources import built, carried, checkout, deployed, example, ids, only, planned, pushed, send
from tests.system.watching import settled

TOKENS = {"cms": "the-token-of-the-first-cms-0123", "press": "the-token-of-the-second-cms-4567"}
SERVICES = ("cms", "database", "cache")


@dataclass(frozen=True)
class Sites:
    """The same example as two projects of one host, with what the first one's push printed."""

    host: Host
    repository: Repository
    output: str

    def put(self, project: str, path: str, body: str | bytes, token: str = "") -> tuple[int, str]:
        """Store something, as the admin of a project unless another token is given."""
        headers = {"Authorization": f"Bearer {token or TOKENS[project]}"}
        return send(self.host, f"{project}-cms", "PUT", path, body, headers)[:2]

    def get(self, project: str, path: str) -> tuple[int, str, str]:
        """Read something; return status, body, and from where a page came."""
        status, body, headers = send(self.host, f"{project}-cms", "GET", path)
        return status, body, headers.get("x-from", "")


@pytest.fixture(scope="module")
def sites(host: Host) -> Sites:
    """Push the example as two projects, each with a secret of its own."""
    outputs = [deployed(host, name, example("cms"), {"ADMIN_TOKEN": token}) for name, token in TOKENS.items()]
    return Sites(host, checkout(host, "cms"), outputs[0])


def test_a_page_is_stored_and_read_back(sites: Sites) -> None:
    """A page goes into PostgreSQL with the project's secret, comes back, the second time from Redis, under the service's own URL."""
    address = f"http://cms-cms.localhost:{sites.host.proxy[1]}"
    assert f"cms  {address}" in sites.output
    assert "-----> migrate cms: python cms.py migrate" in sites.output
    page = '{"title": "Hello", "body": "<b>world</b>"}'

    assert sites.put("cms", "/pages/hello", page, "a-wrong-token")[0] == 401
    assert sites.put("cms", "/pages/hello", page) == (201, f"{address}/pages/hello\n")

    found = [sites.get("cms", "/pages/hello") for _ in range(2)]
    assert [(status, origin) for status, _, origin in found] == [(200, "database"), (200, "cache")]
    assert "<main>&lt;b&gt;world&lt;/b&gt;</main>" in found[0][1]
    assert f"{address}/pages/hello" in sites.get("cms", "/")[1]


def test_an_upload_belongs_to_the_app(sites: Sites) -> None:
    """The app runs as a user of its own and can write to its volume, because hostess.yml gives the folder to that user."""
    assert sites.put("cms", "/uploads/logo.svg", b"<svg/>")[0] == 201

    assert sites.get("cms", "/uploads/logo.svg")[:2] == (200, "<svg/>")
    container = only(sites.host, "cms", "cms")
    assert docker("exec", container, "stat", "-c", "%u:%g", "/srv/uploads").strip() == "10001:10001"


def test_two_projects_of_one_file_are_strangers(sites: Sites) -> None:
    """Two projects with the same service names have networks, databases, secrets and volumes of their own (scenario 51)."""
    assert sites.put("cms", "/pages/mine", '{"title": "Mine", "body": "mine"}')[0] == 201

    assert sites.get("press", "/pages/mine")[0] == 404
    assert sites.get("press", "/uploads/logo.svg")[0] == 404
    assert sites.put("press", "/pages/mine", "{}", TOKENS["cms"])[0] == 401
    found = {}
    for project in TOKENS:
        container = only(sites.host, project, "cms")
        names = [docker("exec", container, "getent", "hosts", name).split()[0] for name in ("database", "cache")]
        networks = docker(
            "inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", container
        )
        found[project] = {*names, networks}
    assert not found["cms"] & found["press"]


def test_a_change_of_the_app_touches_the_app_alone(sites: Sites) -> None:
    """The plan says that one image is built and one service paused, and so it is: databases run on, pages and uploads are there."""
    sites.put("cms", "/pages/kept", '{"title": "Kept", "body": "kept"}')
    sites.put("cms", "/uploads/kept.txt", b"kept")
    before = ids(sites.host, "cms", *SERVICES)
    source = (sites.repository.folder / "app/cms.py").read_text()
    sites.repository.write({"app/cms.py": source.replace('THEME = "plain"', 'THEME = "dark"')})
    sites.repository.commit()

    plan = planned(sites.repository)
    output = pushed(sites.repository)
    settled(sites.host, "cms")

    assert [change for change in plan if change[0] != "keep"] == [
        ("rebuild", "cms", ""),
        ("migrate", "cms", ""),
        ("replace", "cms", "pauses; image"),
    ]
    assert built(output) == ["cms"]
    assert output.count("-----> migrate") == output.count("-----> handing over cms") == 1
    assert carried(output) == {name for verb, name, _ in plan if verb == "keep"} == {"database", "cache"}
    after = ids(sites.host, "cms", *SERVICES)
    assert {name for name in SERVICES if after[name] != before[name]} == {"cms"}
    assert '"theme": "dark"' in sites.get("cms", "/")[1]
    assert "kept" in sites.get("cms", "/pages/kept")[1]
    assert sites.get("cms", "/uploads/kept.txt")[:2] == (200, "kept")


def test_a_push_that_changes_nothing_changes_nothing(sites: Sites) -> None:
    """A commit that touches no service is planned as keeping all, builds and migrates nothing, and every container stays."""
    before = ids(sites.host, "cms", *SERVICES)
    sites.repository.write({"README.md": "About this site.\n"})
    sites.repository.commit()

    plan = planned(sites.repository)
    output = pushed(sites.repository)

    assert plan == [("keep", name, "") for name in SERVICES]
    assert built(output) == []
    assert carried(output) == set(SERVICES)
    assert "-----> migrate" not in output
    assert ids(sites.host, "cms", *SERVICES) == before
