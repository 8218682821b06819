"""Which pushes deploy, where to, and what becomes of their refs: seen by developers with a real git against a real installation."""

import os
import signal
import subprocess
import uuid

import pytest

from tests.system.acting import held, let_go, version
from tests.system.host import GIT, Host, Repository, a_repository, echo_files
from tests.system.watching import began, deployments, said, settled, transcript

ENVIRONMENTS = """environments:
  staging: {branches: [develop, "release/*"]}
  production: {branches: [main]}
"""


def slow_files(version: str, seconds: float = 2) -> dict[str, str]:
    """Return the tiny app with a build that takes some time whatever the engine has cached."""
    files = echo_files(version)
    run = f"RUN echo {uuid.uuid4()} && sleep {seconds}"
    files["Dockerfile"] = f"FROM hostess-test/echo:1-sh\nENV VERSION={version}\n{run}\n"
    return files


def deployed(host: Host, project: str, files: dict[str, str] | None = None) -> Repository:
    """Return a repository whose first commit is live."""
    repository = a_repository(host, project, files or echo_files())
    pushed = repository.push()
    assert pushed.returncode == 0, pushed.stderr
    return repository


def clone(repository: Repository, name: str, *arguments: str) -> Repository:
    """Return another developer's clone of what the installation has."""
    folder = repository.host.folder / "work" / name
    repository.git("clone", "--quiet", *arguments, repository.url, str(folder))
    return Repository(folder, repository.host, repository.project)


def remote(repository: Repository, ref: str = "refs/heads/main") -> str:
    """Return the commit that the installation has at a ref, "" when there is none."""
    return repository.git("ls-remote", repository.url, ref).stdout.partition("\t")[0]


def begin_alone(repository: Repository) -> subprocess.Popen[bytes]:
    """Start a push in a process group of its own, so that all of it can be killed as Ctrl-C would."""
    return subprocess.Popen(
        ["git", "push", repository.url, "main"],
        cwd=repository.folder,
        env={**os.environ, **GIT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


# ---- which ref deploys ---------------------------------------------------------------------------------------------------


def test_another_branch_is_stored_and_says_how_to_deploy_it(host: Host) -> None:
    """A branch that no environment claims is stored, nothing is deployed, and the output says what would deploy it (scenario 2)."""
    repository = deployed(host, "branches")
    repository.write(echo_files("2"))
    tip = repository.commit()

    pushed = repository.push(ref="HEAD:refs/heads/feature/x")

    assert pushed.returncode == 0, pushed.stderr
    assert "feature/x is stored, not deployed" in pushed.stderr
    assert "main deploys production" in pushed.stderr
    assert remote(repository, "refs/heads/feature/x") == tip
    assert len(deployments(host, "branches")) == 1
    assert version(host, "branches-web") == "1"
    [told] = [line for line in pushed.stderr.splitlines() if "to deploy it: git push hostess feature/x:" in line]

    asked = repository.push(ref="HEAD:" + told.split()[-1].partition(":")[2])

    assert asked.returncode == 0, asked.stderr
    assert version(host, "branches-web") == "2"
    assert remote(repository) != tip


def test_what_is_here_already_can_be_deployed(host: Host) -> None:
    """Any commit or tag, also one that git would find up to date, is deployed to an environment as often as it is pushed to its name."""
    repository = deployed(host, "again")
    repository.git("tag", "-a", "-m", "one", "v1.0")
    repository.write(echo_files("2"))
    tip = repository.commit()
    assert repository.push().returncode == 0

    tagged = repository.push(ref="v1.0:refs/deploy/production")
    was = version(host, "again-web")
    again = repository.push("-o", "no-cache", ref="main:refs/deploy/production")
    elsewhere = repository.push(ref="main:refs/deploy/staging")
    other = repository.push("-o", "env=staging", ref="main:refs/deploy/production")

    assert (tagged.returncode, was) == (0, "1"), tagged.stderr
    assert "-----> building web" in again.stderr
    assert (version(host, "again-web"), version(host, "again-web-staging")) == ("2", "2"), elsewhere.stderr
    assert "env=staging is not what refs/deploy/production says" in other.stderr
    assert remote(repository) == tip
    assert remote(repository, "refs/deploy/*") == ""


def test_tags_and_deletions_never_deploy(host: Host) -> None:
    """A tag, also one pushed beside the branch, and the deletion of the branch deploy nothing; what runs runs on (scenario 3)."""
    repository = deployed(host, "tags")
    repository.git("tag", "v1.0")
    assert repository.push(ref="v1.0").returncode == 0
    assert len(deployments(host, "tags")) == 1

    deleted = repository.push("--delete")

    assert deleted.returncode == 0, deleted.stderr
    assert "what it deployed runs on" in deleted.stderr
    assert remote(repository) == ""
    assert version(host, "tags-web") == "1"
    repository.write(echo_files("2"))
    repository.commit()
    repository.git("tag", "v2.0")
    both = repository.git("push", repository.url, "main", "v2.0", check=False)
    assert both.returncode == 0, both.stderr
    assert len(deployments(host, "tags")) == 2
    assert version(host, "tags-web") == "2"


def test_several_refs_that_would_deploy_are_refused(host: Host) -> None:
    """A push in which two refs would deploy is refused as a whole, before anything is built (scenario 3)."""
    repository = a_repository(
        host, "several", {**echo_files(), "hostess.yml": echo_files()["hostess.yml"] + ENVIRONMENTS}
    )
    repository.git("branch", "develop")

    pushed = repository.git("push", repository.url, "main", "develop", check=False)

    assert pushed.returncode != 0
    assert "push them one at a time" in pushed.stderr
    assert pushed.stderr.count("[remote rejected]") == 2
    assert "building" not in pushed.stderr
    assert not deployments(host, "several")
    assert remote(repository) == ""


def test_branches_choose_the_environment(host: Host) -> None:
    """Branches of an environment, exact or by pattern, deploy there under its own host name; production is untouched."""
    files = {**echo_files(), "hostess.yml": echo_files()["hostess.yml"] + ENVIRONMENTS}
    repository = deployed(host, "routed", files)
    for new, branch in (("2", "develop"), ("3", "release/3")):
        repository.write({"Dockerfile": echo_files(new)["Dockerfile"]})
        repository.commit()

        pushed = repository.push(ref=f"HEAD:refs/heads/{branch}")

        assert pushed.returncode == 0, pushed.stderr
        assert "of routed (staging) is live" in pushed.stderr
        assert version(host, "routed-web-staging") == new
        assert version(host, "routed-web") == "1"


def test_the_projects_name_wins_over_the_files(host: Host) -> None:
    """A name in the file that differs from the repository's is told as a notice, and the repository's counts."""
    text = echo_files()["hostess.yml"].replace("services:", "name: other-name\nservices:", 1)
    repository = a_repository(host, "called", {**echo_files(), "hostess.yml": text})

    pushed = repository.push()

    assert pushed.returncode == 0, pushed.stderr
    assert "the file says name: other-name; the repository's name, called, is what counts" in pushed.stderr
    assert version(host, "called-web") == "1"


# ---- push options --------------------------------------------------------------------------------------------------------


def test_an_option_chooses_the_environment(host: Host) -> None:
    """`-o env=staging` deploys any branch there; the branch is stored, production stays without a release."""
    repository = a_repository(host, "optional", echo_files("7"))
    tip = repository.git("rev-parse", "HEAD").stdout.strip()

    pushed = repository.push("-o", "env=staging", ref="HEAD:refs/heads/topic")

    assert pushed.returncode == 0, pushed.stderr
    assert version(host, "optional-web-staging") == "7"
    assert host.get("optional-web.localhost")[0] == 404
    assert remote(repository, "refs/heads/topic") == tip


def test_an_option_builds_anew(host: Host) -> None:
    """`-o no-cache` builds although the same content was built before; without it nothing is built."""
    repository = deployed(host, "fresh")
    repository.commit("nothing")
    again = repository.push()
    assert "-----> building" not in again.stderr
    repository.commit("nothing")

    fresh = repository.push("-o", "no-cache")

    assert fresh.returncode == 0, fresh.stderr
    assert "-----> building web" in fresh.stderr


def test_an_option_only_tells_what_would_happen(host: Host) -> None:
    """`-o dry-run` prints the plan, rejects the ref and changes nothing; the same commit can be pushed afterwards."""
    repository = deployed(host, "dry")
    before = host.containers("project=dry")
    repository.write(echo_files("2"))
    repository.commit()

    pushed = repository.push("-o", "dry-run")

    assert pushed.returncode != 0
    assert "[remote rejected] main -> main (dry-run: nothing was changed)" in pushed.stderr
    assert "rebuild  web" in pushed.stderr
    assert "restart  web (image" in pushed.stderr
    assert (host.containers("project=dry"), len(deployments(host, "dry"))) == (before, 1)
    assert repository.push().returncode == 0


def test_an_unknown_option_is_refused(host: Host) -> None:
    """An option that does not exist is refused with those that do, before anything is built."""
    repository = a_repository(host, "unknown", echo_files())

    pushed = repository.push("-o", "evn=staging")

    assert pushed.returncode != 0
    assert "unknown push option 'evn=staging'" in pushed.stderr
    assert "env=NAME, no-cache, dry-run" in pushed.stderr
    assert not deployments(host, "unknown")


# ---- odd commits ---------------------------------------------------------------------------------------------------------


def test_shallow_forced_and_empty_pushes_deploy_as_any_other(host: Host) -> None:
    """A shallow clone's commit, a rewritten history and an empty commit deploy; a push without news does nothing (scenario 7)."""
    repository = deployed(host, "odd")
    first = repository.git("rev-parse", "HEAD").stdout.strip()
    shallow = clone(repository, "odd-shallow", "--depth=1")
    shallow.write(echo_files("2"))
    shallow.commit()
    pushed = shallow.push()
    assert pushed.returncode == 0, pushed.stderr
    assert version(host, "odd-web") == "2"

    rejected = repository.git("push", repository.url, "main", check=False)
    assert "[rejected]" in rejected.stderr or "Everything up-to-date" in rejected.stderr
    forced = repository.push("--force")

    assert forced.returncode == 0, forced.stderr
    assert version(host, "odd-web") == "1"
    assert remote(repository) == first
    count = len(deployments(host, "odd"))
    nothing = repository.push()
    assert "Everything up-to-date" in nothing.stderr
    assert len(deployments(host, "odd")) == count


def test_a_blob_as_a_branch_is_refused(host: Host) -> None:
    """Something that is no commit cannot become a branch, and leaves nothing stuck: the next push deploys (scenario 7)."""
    repository = a_repository(host, "blob", echo_files())
    blob = repository.git("rev-parse", "HEAD:Dockerfile").stdout.strip()

    pushed = repository.push(ref=f"{blob}:refs/heads/main")

    assert pushed.returncode != 0
    assert repository.push().returncode == 0


@pytest.mark.parametrize("what", ["submodule", "lfs"])
def test_what_cannot_be_fetched_is_refused_clearly(host: Host, what: str) -> None:
    """A submodule and a Git LFS pointer are refused by name before a build, never built as an empty folder or a pointer (scenario 9)."""
    repository = a_repository(host, f"with-{what}", echo_files())
    if what == "submodule":
        commit = repository.git("rev-parse", "HEAD").stdout.strip()
        repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/library")
        repository.git("commit", "--quiet", "--message", "submodule")
        named = "vendor/library"
    else:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
        repository.write({"model.bin": pointer})
        repository.commit()
        named = "model.bin"

    pushed = repository.push()

    assert pushed.returncode != 0
    assert named in pushed.stderr
    assert "building" not in pushed.stderr
    assert remote(repository) == ""


# ---- pushers that leave, and pushes that meet ----------------------------------------------------------------------------


def test_a_pusher_that_leaves_does_not_stop_its_deployment(host: Host) -> None:
    """With git killed in mid build the deployment goes live, the branch is at its commit, and a fetch shows it (scenario 5)."""
    repository = deployed(host, "left")
    repository.write(slow_files("2"))
    tip = repository.commit()
    push = begin_alone(repository)
    said(host, "left", "-----> building web", number=1)

    os.killpg(push.pid, signal.SIGKILL)
    push.wait(60)

    last = settled(host, "left")[-1]
    assert last["state"] == "live", transcript(host, last["id"])
    assert version(host, "left-web") == "2"
    assert remote(repository) == tip
    fetched = clone(repository, "left-fetched")
    assert fetched.git("rev-parse", "HEAD").stdout.strip() == tip
    kept = f"refs/hostess/deployments/{deployments(host, 'left')[-1]['id']}"
    bare = host.data / "repos" / "left.git"
    assert kept not in repository.git("--git-dir", str(bare), "for-each-ref").stdout


def test_a_newer_push_takes_the_place_of_one_that_waits(host: Host) -> None:
    """Of three pushes the running one ends well, the waiting one is superseded and told so, the newest one deploys (scenario 6)."""
    repository = deployed(host, "queue")
    pushes = []
    for number, files in enumerate((held("2"), echo_files("3"), echo_files("4")), 2):
        repository.write(files)
        repository.commit()
        pushes.append(repository.begin_push())
        began(host, "queue", number)
    let_go(host, "queue")
    outputs = [push.communicate(timeout=180)[1] for push in pushes]

    assert [push.returncode for push in pushes] == [0, 1, 0], outputs
    assert "took the place of this one, which still waited" in outputs[1]
    assert "[remote rejected]" in outputs[1]
    states = [record["state"] for record in settled(host, "queue")]
    assert states == ["live", "live", "superseded", "live"]
    assert version(host, "queue-web") == "4"
    assert remote(repository) == repository.git("rev-parse", "HEAD").stdout.strip()


def test_a_push_that_contains_the_one_before_goes_on(host: Host) -> None:
    """Push, commit, push again while the first still deploys: both go live in turn, and the ref is at the second (scenario 6)."""
    repository = deployed(host, "contains")
    repository.write(held("2"))
    repository.commit()
    first = repository.begin_push()
    began(host, "contains", 2)
    repository.write(echo_files("3"))
    tip = repository.commit()

    second = repository.begin_push()
    began(host, "contains", 3)
    let_go(host, "contains")

    ends = [push.communicate(timeout=180)[1] for push in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), ends
    assert version(host, "contains-web") == "3"
    assert remote(repository) == tip


def test_a_push_that_does_not_contain_the_one_before_must_fetch_first(host: Host) -> None:
    """A push beside another's that is deploying is told `fetch first` when its turn comes, before anything is built."""
    repository = deployed(host, "beside")
    other = clone(repository, "beside-other")
    repository.write(held("2"))
    tip = repository.commit()
    first = repository.begin_push()
    began(host, "beside", 2)
    other.write(echo_files("3"))
    other.commit()

    second = other.begin_push()
    began(host, "beside", 3)
    let_go(host, "beside")

    assert first.communicate(timeout=180) is not None
    assert first.returncode == 0
    said = second.communicate(timeout=180)[1]
    assert second.returncode != 0
    assert "fetch first" in said
    assert "building" not in said
    refused = settled(host, "beside")[-1]
    assert "building" not in transcript(host, refused["id"])
    assert version(host, "beside-web") == "2"
    assert remote(repository) == tip
    other.git("pull", "--quiet", "--rebase", "-X", "theirs", other.url, "main")
    other.write(echo_files("3"))
    other.commit()
    assert other.push().returncode == 0
    assert version(host, "beside-web") == "3"
