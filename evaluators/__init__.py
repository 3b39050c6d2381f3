"""Subnets to scores: accuracy, cost and latency, each with its source and error."""
