"""Stages of a neck: each takes one tensor a level and returns one tensor a level, fused along some path."""
