"""The demo's client counts what it saw, and nothing else."""

import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo_load.py"


class Answers:
    """Gives the answers of a list in order, the last one for ever, and tells when *enough* were given, or a client did not want any."""

    def __init__(self, statuses: list[tuple[int, bytes]], enough: int) -> None:
        self._statuses = statuses
        self._given = 0
        self._enough = enough
        self._lock = threading.Lock()
        self.hosts: set[str] = set()
        self.done = threading.Event()

    def next(self, host: str) -> tuple[int, bytes]:
        """Return the next status and body."""
        with self._lock:
            self.hosts.add(host)
            status = self._statuses[min(self._given, len(self._statuses) - 1)]
            self._given += 1
            if self._given >= self._enough:
                self.done.set()
            return status


@contextmanager
def serving(answers: Answers, identity: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve these answers, by TLS with an *identity*; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = answers.next(self.headers["Host"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, object]:
            try:
                return super().get_request()
            except ssl.SSLError:
                answers.done.set()
                raise

    with Server(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if identity is not None:
            server.socket = identity.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def report_of(answers: Answers) -> dict[str, object]:
    """Let the client ask until enough answers were given; return its report."""
    with serving(answers) as address:
        return asked([address, "app.localhost"], answers)


def asked(arguments: list[str], *answers: Answers) -> dict[str, object]:
    """Let the client ask until enough of all *answers* were given; return its report."""
    with subprocess.Popen([sys.executable, SCRIPT, *arguments], stdout=subprocess.PIPE) as client:
        for each in answers:
            assert each.done.wait(20)
        client.send_signal(signal.SIGTERM)
        out, _ = client.communicate(timeout=20)
    report: dict[str, object] = json.loads(out)
    return report


def verdict_on(report: dict[str, object], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Show the report as the demo does."""
    file = tmp_path / "load.json"
    file.write_text(json.dumps(report))
    command = [sys.executable, str(SCRIPT), "--show", str(file), "--expect", "1,2"]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_answers_are_counted_by_version_under_the_host_that_was_asked_for(tmp_path: Path) -> None:
    """Answers are counted by the version that gave them, and a run in which version 2 had the last word passes."""
    answers = Answers([(200, b'{"version": "1"}')] * 20 + [(200, b'{"version": "2"}')], enough=60)
    report = report_of(answers)
    assert report["failed"] == 0
    assert report["versions"] == {"1": 20, "2": sum(report["versions"].values()) - 20}  # type: ignore[attr-defined] # JSON
    assert answers.hosts == {"app.localhost"}
    shown = verdict_on(report, tmp_path)
    assert shown.returncode == 0
    assert "    20 requests answered by version 1" in shown.stdout


def test_one_bad_answer_fails_the_run(tmp_path: Path) -> None:
    """A status that is not 200, or a body that names no version, counts as failed and makes the verdict negative."""
    answers = Answers([(200, b'{"version": "1"}'), (502, b"no"), (200, b"{}"), (200, b'{"version": "2"}')], enough=40)
    report = report_of(answers)
    assert report["failed"] == 2
    shown = verdict_on(report, tmp_path)
    assert shown.returncode == 1
    assert "1 x status 502" in shown.stdout


def test_a_version_that_never_answered_fails_the_run(tmp_path: Path) -> None:
    """A run in which the new version never answered is no success, however well the old one did."""
    report = report_of(Answers([(200, b'{"version": "1"}')], enough=20))
    assert verdict_on(report, tmp_path).returncode == 1


def test_half_of_the_clients_ask_by_tls_and_believe_one_root_alone(tmp_path: Path) -> None:
    """Where a listener for TLS is named it is asked, too; a certificate of somebody else is a failure for those clients alone."""
    root, stranger, context = trustme.CA(), trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    root.issue_cert("app.localhost").configure_cert(context)
    good = [(200, b'{"version": "1"}')]
    reports = []
    for number, trusted in enumerate((root, stranger)):
        file = tmp_path / f"{number}.pem"
        trusted.cert_pem.write_to_path(str(file))
        plain, secure = Answers(good, enough=40), Answers(good, enough=40)
        with serving(plain) as address, serving(secure, context) as https:
            arguments = [address, "app.localhost", "--https", https, "--root", str(file)]
            reports.append(asked(arguments, plain, secure))

    assert reports[0]["failed"] == 0
    assert any("CERTIFICATE_VERIFY_FAILED" in reason for reason in reports[1]["failures"])  # type: ignore[attr-defined] # JSON
    assert reports[1]["versions"]
