"""Callers inside a stack, who reach services at virtual addresses."""
