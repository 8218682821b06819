"""The settings of TLS, and the keys of session tickets: what every handshake has in common, whatever its certificate.

TLS 1.2 and 1.3, forward secrecy and authenticated encryption only, no renegotiation, no compression. The client chooses among the
suites: it knows whether its machine is quicker with AES or with ChaCha20. X25519 comes first among OpenSSL's groups.

Session tickets are sealed with keys that all workers share, so that a session resumes wherever its next connection is accepted.
Python has no call for that; OpenSSL has, and it is reached in the library that Python's `ssl` itself uses. Where it cannot be
reached, each worker keeps keys of its own, and some handshakes are whole that could have been short.
"""

import ctypes
import secrets
import ssl
import sys
from collections.abc import Sequence
from typing import Final

TICKET_KEYS_LENGTH: Final = 80  # OpenSSL's: a name of 16 bytes, then two keys of 32
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_SET_TICKET_KEYS = 59  # SSL_CTRL_SET_TLSEXT_TICKET_KEYS
_SET_CACHE_MODE = 44  # SSL_CTRL_SET_SESS_CACHE_MODE
_CACHE_OFF = 0
_UNKNOWN_LAYOUT = (3, 15)  # up to here an SSLContext is known to begin with its SSL_CTX


def server_context(protocols: Sequence[str]) -> ssl.SSLContext:
    """Return a context without a certificate. *protocols* are those of ALPN, the best one first; none: whatever is named."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(_CIPHERS)
    context.num_tickets = 1
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def new_ticket_keys() -> str:
    """Return keys for session tickets that nobody has seen (hex)."""
    return secrets.token_hex(TICKET_KEYS_LENGTH)


def share_tickets(context: ssl.SSLContext, keys: bytes) -> bool:
    """Seal the session tickets of *context* with *keys*, and keep no sessions beside them; return whether that could be done.

    Tickets that were sealed with earlier keys are worth nothing from then on: their holders make a whole handshake.
    """
    control = _control()
    if control is None or len(keys) != TICKET_KEYS_LENGTH:
        return False
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    control(pointer, _SET_CACHE_MODE, _CACHE_OFF, None)
    return bool(control(pointer, _SET_TICKET_KEYS, len(keys), keys) == 1)


def _control() -> "ctypes._NamedFuncPointer | None":
    """Return SSL_CTX_ctrl of the library that `ssl` uses; None where that is another library, or may look different inside."""
    known = sys.implementation.name == "cpython" and sys.version_info < _UNKNOWN_LAYOUT
    if not known or not ssl.OPENSSL_VERSION.startswith("OpenSSL "):
        return None
    where = getattr(sys.modules["_ssl"], "__file__", None)
    try:
        control = ctypes.CDLL(where).SSL_CTX_ctrl
    except (OSError, AttributeError):
        return None
    control.restype = ctypes.c_long
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    return control
