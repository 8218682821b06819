"""Which daemon and which project a command means when it is not told."""

import json
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from hostess.cli.failure import NOT_ALLOWED, UNREACHABLE, USAGE, Failure
from hostess.cli.options import chosen_project, known_project
from hostess.cli.server import (
    DEFAULT_DATA_DIR,
    Server,
    data_dir,
    find_server,
    login_file,
    same_place,
    save_login,
    saved_login,
)

HERE = "http://127.0.0.1:7654"
THERE = "https://hostess.example.com"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home and a data folder of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOSTESS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def listen(folder: Path) -> Path:
    """Put a socket where a daemon has it."""
    (folder / "data" / "run").mkdir(parents=True)
    path = folder / "data" / "run" / "api.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    return path


def test_without_anything_there_is_no_daemon() -> None:
    """Where no daemon runs and nobody signed in, the command says both and what to do."""
    with pytest.raises(Failure) as raised:
        find_server(None, None)

    assert raised.value.exit_code == UNREACHABLE
    assert "hostess login" in raised.value.remedy


def test_the_socket_of_this_host(home: Path) -> None:
    """On the host the socket is used when nothing else was said."""
    path = listen(home)

    assert find_server(None, None) == Server(socket=path)


def test_the_data_folder_that_the_settings_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host whose settings name another data folder commands look there; the environment goes above it."""
    settings = tmp_path / "config.toml"
    settings.write_text('base_domain = "localhost"\ndata_dir = "/srv/hostess"\n')
    assert data_dir(settings) == tmp_path / "data"
    monkeypatch.delenv("HOSTESS_DATA_DIR")

    assert data_dir(settings) == Path("/srv/hostess")
    for text in ("", "data_dir = ", "[data_dir"):
        settings.write_text(text)
        assert data_dir(settings) == Path(DEFAULT_DATA_DIR)
    assert data_dir(tmp_path / "none") == Path(DEFAULT_DATA_DIR)


def test_a_socket_of_somebody_else(home: Path) -> None:
    """A socket that this user may not use is told as that."""
    listen(home)

    with pytest.raises(Failure) as raised:
        find_server(None, None, may_use=lambda _: False)

    assert raised.value.exit_code == NOT_ALLOWED


def test_the_socket_goes_before_a_saved_login(home: Path) -> None:
    """Who may use this host's socket means this host; elsewhere the saved login counts."""
    save_login(Server(THERE, "t"))
    assert find_server(None, None) == Server(THERE, "t")

    path = listen(home)

    assert find_server(None, None) == Server(socket=path)


def test_what_is_given_goes_first() -> None:
    """A URL and a token that are given win over the login, whose token goes only to its own daemon."""
    save_login(Server(THERE, "t"))

    assert find_server(HERE, "other") == Server(HERE, "other")
    assert find_server(f"{THERE}:443/", "") == Server(f"{THERE}:443", "t")
    assert find_server(HERE, "") == Server(HERE, "")
    assert find_server("", "other") == Server(THERE, "other")


def test_a_token_alone_means_this_hosts_daemon(home: Path) -> None:
    """A token without a URL goes to where this host's daemon says it listens."""
    (home / "data" / "run").mkdir(parents=True)
    (home / "data" / "run" / "daemon.json").write_text(json.dumps({"pid": 1, "api": "127.0.0.1:999"}))

    assert find_server("", "t") == Server("http://127.0.0.1:999", "t")


@pytest.mark.parametrize("url", ["hostess.example.com", "ftp://x", "http://", "http://[::1"])
def test_what_is_no_url(url: str) -> None:
    """What is no URL is a mistake of usage."""
    with pytest.raises(Failure) as raised:
        find_server(url, "t")

    assert raised.value.exit_code == USAGE


def test_the_login_is_private() -> None:
    """The saved login can be read by its owner alone, also when it replaces another."""
    save_login(Server(THERE, "one"))
    save_login(Server(THERE, "two"))

    assert stat.S_IMODE(login_file().stat().st_mode) == 0o600
    assert saved_login() == Server(THERE, "two")
    assert [path.name for path in login_file().parent.iterdir()] == ["config.json"]


def test_a_login_that_cannot_be_read_is_told() -> None:
    """A spoilt file is no reason for a traceback."""
    login_file().parent.mkdir(parents=True)
    login_file().write_text("{")

    with pytest.raises(Failure, match="cannot be read"):
        saved_login()


@pytest.mark.parametrize("token", ["hst_a hst_b", "hst_a\nhst_b", "hst_é", "hst_\x1b[1m"])
def test_what_can_be_no_token(token: str) -> None:
    """A token that no request could carry is told before one is made."""
    with pytest.raises(Failure, match="no token has") as failure:
        find_server(HERE, token)

    assert failure.value.exit_code == USAGE


def test_the_ends_of_a_token_are_cut() -> None:
    """Files and variables end lines in many ways."""
    assert find_server(HERE, " hst_a\r\n") == Server(HERE, "hst_a")


def test_a_login_that_cannot_be_read_keeps_nobody_out() -> None:
    """Who says where and with which token needs no saved login."""
    login_file().parent.mkdir(parents=True)
    login_file().write_text("[]")

    assert find_server(THERE, "hst_a") == Server(THERE, "hst_a")


def test_places_are_compared_by_scheme_host_and_port() -> None:
    """A default port that is written out is the same place; another scheme is not."""
    assert same_place("https://a.example", "https://A.example:443/")
    assert not same_place("http://a.example", "https://a.example")
    assert not same_place(HERE, "http://127.0.0.1:7654.example.com")


@pytest.mark.parametrize(
    ("file", "project"),
    [
        ("name: shop\n", "shop"),
        ('version: "1.0"\nname: "E-Commerce Platform"  # ours\n', "e-commerce-platform"),
        ("name: 'My App'\nservices: {}\n", "my-app"),
        ("services:\n  name: web\n", None),
        ("name:\n", None),
    ],
)
def test_the_project_of_the_file(file: str, project: str | None) -> None:
    """The default project is the name in ./hostess.yml, made a valid one."""
    Path("hostess.yml").write_text(file)

    assert known_project(None) == project
    assert known_project("given") == "given"


def test_the_project_of_the_remote() -> None:
    """Without a file it is the repository of the git remote called hostess."""
    subprocess.run(["git", "init", "-q", "."], check=True)
    subprocess.run(["git", "remote", "add", "hostess", "ssh://hostess@host/blog.git"], check=True)

    assert chosen_project(None) == "blog"


def test_no_project_is_told() -> None:
    """When nothing tells the project, the command says how to."""
    with pytest.raises(Failure) as raised:
        chosen_project(None)

    assert raised.value.exit_code == USAGE
    assert "--project" in raised.value.remedy
