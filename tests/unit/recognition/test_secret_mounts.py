"""Which secrets a Dockerfile mounts, and which of them hostess.yml has to name."""

import pytest

from hostess.domain.problem import Problem
from hostess.domain.recognisers.secret_mounts import wants_secrets


def wants(*lines: str, named: tuple[str, ...] = ()) -> bool:
    """Return whether a Dockerfile of these lines wants secrets."""
    return wants_secrets("FROM busybox:1\n" + "\n".join(lines) + "\n", "app/Dockerfile", named, "web")


@pytest.mark.parametrize(
    ("line", "mounts"),
    [
        ("RUN echo --mount=type=secret,id=TOKEN", False),
        ("RUN --mount=type=cache,target=/root/.cache npm ci", False),
        ("COPY secret /secret", False),
        ("RUN --mount=type=secret,id=TOKEN npm ci", True),
        ("run --network=none --mount=type=cache,target=/a --mount=id=TOKEN,type=secret npm ci", True),
        ("RUN --mount=type=secret,target=/run/TOKEN,required npm ci", True),
        ('RUN --mount="type=secret,id=TOKEN" npm ci', True),
        ("RUN --mount=type=secret,id=OTHER,required=false npm ci", True),
        ("RUN --mount=type=secret,id=$WHICH npm ci", True),
        ("RUN \\\n  --mount=type=secret,id=TOKEN \\\n  # why\n  npm ci", True),
    ],
)
def test_what_is_wanted(line: str, mounts: bool) -> None:
    """Mounts are flags of RUN; ids that are named, optional or not known yet are no mistake."""
    assert wants(line, named=("TOKEN",)) is mounts


@pytest.mark.parametrize(
    "flags", ["id=NPM", "id=NPM,required=true", "id=NPM,required", "target=/root/NPM", "dst=NPM,mode=0400"]
)
def test_unnamed(flags: str) -> None:
    """One that hostess.yml does not name is told with what to write."""
    with pytest.raises(Problem) as caught:
        wants("RUN --mount=type=secret,id=TOKEN a", f"RUN --mount=type=secret,{flags} b", named=("TOKEN",))

    assert caught.value.code == "build-secret-unnamed"
    assert caught.value.what == "app/Dockerfile mounts a secret that build.secrets of web does not name: NPM"
    assert "`secrets: [NPM]`" in caught.value.remedy
    assert "required=false" in caught.value.remedy


def test_an_agent() -> None:
    """SSH agents are not offered, and the sentence says what does without."""
    with pytest.raises(Problem) as caught:
        wants("RUN --mount=type=ssh git clone git@a:b")

    assert caught.value.code == "no-ssh-agent"
    assert "hostess registry login" in caught.value.remedy
