"""DNS: what records say, and writing them, with a real name server."""
