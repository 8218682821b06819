"""Scaling: the policy, by simulation."""
