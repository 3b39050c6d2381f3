"""Architectures to modules and weights: the executor, the supernet, training and export."""
