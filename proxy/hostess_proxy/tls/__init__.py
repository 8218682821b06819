"""TLS: from a ClientHello to the protocol that was agreed on."""
