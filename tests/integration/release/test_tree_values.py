"""What services take from the pushed tree: env_file and files."""

from tests.fakes.programs import Box, echo
from tests.world import Bench, web

FILES = """    env_file: [base.env, more.env]
    files:
      - {name: conf, mount: /etc/app.conf, source: ./app.conf, mode: "0400"}
      - {name: script, mount: /bin/run, content: "echo ${NAME:-x}", mode: "0555"}
      - {name: key, mount: /run/key, secret: API_KEY}
"""


async def test_env_files_and_files_reach_the_container(bench: Bench) -> None:
    """Later files win over earlier ones, `env` wins over files, nothing is expanded, and files have their content and mode."""
    seen: list[Box] = []

    async def watched(box: Box) -> int:
        seen.append(box)
        return await echo(box)

    bench.engine.commands["/watched"] = watched
    tree = {"base.env": "A=1\nB=base\nMARK=file\n", "more.env": "B=${more}\n", "app.conf": "level = 3\n"}
    await bench.commit("shop", tree)
    now = bench.world.deployments
    await bench.world.secrets.add("shop", "production", "API_KEY", "k-e-y-1-2-3")
    assert now is not None

    verdict = await bench.push("shop", {**tree, **web("plain:1", more=FILES + "    command: [/watched]\n")})

    assert verdict.accepted, bench.text()
    env = seen[0].env
    assert (env["A"], env["B"], env["MARK"]) == ("1", "${more}", "a")
    spec = bench.engine.created[-1]
    assert {path: mode for path, (mode, _) in spec.files.items()} == {
        "/etc/app.conf": 0o400,
        "/bin/run": 0o555,
        "/run/key": 0o444,
    }
    assert spec.files["/bin/run"][1] == b"echo ${NAME:-x}"
    assert spec.files["/run/key"][1] == b"k-e-y-1-2-3"
    live = await bench.live("shop")
    assert "k-e-y-1-2-3" not in repr(live)


async def test_a_changed_file_changes_the_service(bench: Bench) -> None:
    """A service is started anew when the content of a mounted file changed, and carried over when it did not."""
    more = "    files: [{name: conf, mount: /etc/app.conf, source: app.conf}]\n"
    await bench.push("shop", {**web(more=more), "app.conf": "one"})
    assert (await bench.push("shop", {**web(more=more), "app.conf": "one"})).accepted
    assert "carried over" in bench.text()

    assert (await bench.push("shop", {**web(more=more), "app.conf": "two"})).accepted

    assert "starting web" in bench.text()


async def test_a_folder_is_no_file(bench: Bench) -> None:
    """A folder where a file is named fails the push, told as what it is."""
    more = "    files: [{name: conf, mount: /etc/app, source: deploy}]\n"

    verdict = await bench.push("shop", {**web(more=more), "deploy/app.conf": "x"})

    assert verdict.reason == "web.files.conf: deploy is a folder in the pushed commit, and a file is needed"


async def test_a_missing_file_is_refused_before_anything_is_built(bench: Bench) -> None:
    """A file that the commit does not have fails the push with its name."""
    verdict = await bench.push("shop", web(more="    env_file: [gone.env]\n"))

    assert verdict.reason == "web.env_file: there is no file gone.env in the pushed commit"
