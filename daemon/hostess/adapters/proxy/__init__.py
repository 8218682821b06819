"""The proxy, as a process and as a router."""
