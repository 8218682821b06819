"""Release: plans, routes, turns."""
