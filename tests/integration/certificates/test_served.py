"""What the store keeps is served by the real proxy, and believed by a client that trusts the root only."""

import asyncio
import json
from pathlib import Path

from hostess.adapters.certificates.authority_internal import FileAuthority
from hostess.adapters.certificates.store import FileCertificates
from hostess.adapters.clock_system import SystemClock
from hostess.domain.certificates.certificate import Certificate, Source
from hostess.services.certificates.internal import InternalCertificates
from tests.integration.proxy.processes import a_backend, a_proxy, table
from tests.issuing import authorities, issue, openssl


def entry(store: FileCertificates, certificate: Certificate) -> dict[str, object]:
    """Return what the proxy's table says of a certificate."""
    chain, key = store.files(certificate)
    return {"names": list(certificate.names), "chain": str(chain), "key": str(key)}


async def test_the_proxy_serves_what_is_kept(tmp_path: Path) -> None:
    """Hosts below the base domain, hosts of localhost and an imported one are each served with a certificate that their root proves."""
    clock, folder = SystemClock(), tmp_path / "certs"
    store = FileCertificates(folder, clock)
    authority = FileAuthority(folder / "internal", clock, ["apps.test"])
    hosts = {"shop.apps.test": "shop", "shop.localhost": "shop", "blog.localhost": "blog"}
    made = await InternalCertificates(store, authority, clock, "apps.test").ensure(hosts)
    root, middle = authorities()
    issued = issue(("www.example.org",), middle)
    imported = await store.save(issued.chain, issued.key, Source.IMPORTED)
    roots = {**dict.fromkeys(hosts, await authority.root()), "www.example.org": root.pem}

    async with a_backend() as backend:
        raw = {**table(backend), "certificates": [entry(store, each) for each in (*made, imported)]}
        (tmp_path / "table.json").write_text(json.dumps(raw))
        async with a_proxy(tmp_path, "--table", str(tmp_path / "table.json"), HTTPS="127.0.0.1:0") as proxy:
            for host, trusted in roots.items():
                (tmp_path / "root.pem").write_text(trusted)
                asked = ("s_client", "-connect", proxy.state.https, "-servername", host, "-verify_return_error")
                proved = ("-CAfile", tmp_path / "root.pem", "-verify_hostname", host)
                said = await asyncio.to_thread(openssl, *asked, *proved)
                assert "Verify return code: 0 (ok)" in said, host
