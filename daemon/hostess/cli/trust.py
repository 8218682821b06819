"""Whose certificates are believed when the daemon is reached by HTTPS: those that the system trusts, and those in HOSTESS_CA_FILE."""

import os
import ssl

from hostess.cli.failure import UNREACHABLE, USAGE, Failure
from hostess.cli.server import Server

VARIABLE = "HOSTESS_CA_FILE"


def trusted() -> ssl.SSLContext:
    """Return TLS that checks certificates; Failure when HOSTESS_CA_FILE names no file of certificates."""
    context = ssl.create_default_context()
    path = os.environ.get(VARIABLE)
    if path:
        try:
            context.load_verify_locations(path)
        except OSError as error:
            what = "it holds no certificate (PEM)" if isinstance(error, ssl.SSLError) else error.strerror
            raise Failure(
                f"{path}, which {VARIABLE} names, cannot be used: {what}",
                exit_code=USAGE,
                remedy="`hostess tls root`, on the host itself, prints the root certificate to put there",
            ) from None
    return context


def untrusted(server: Server, error: ssl.SSLCertVerificationError) -> Failure:
    """Return the Failure for a certificate that nobody vouches for."""
    return Failure(
        f"the certificate of {server} is not trusted: {error.verify_message}",
        exit_code=UNREACHABLE,
        remedy=f"if it is of the installation's own authority, save what `hostess tls root` prints and set {VARIABLE} to that file",
    )
