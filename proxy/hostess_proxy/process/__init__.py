"""Processes: the supervisor that holds, the workers that serve, and how a newer program takes over from an older one."""
