"""Databases that are reached from outside: by TLS, told apart by the name that a client asks for (SNI), relayed as bytes."""
