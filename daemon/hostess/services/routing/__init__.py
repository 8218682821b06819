"""The proxy's table, and what changes it beside deployments."""
