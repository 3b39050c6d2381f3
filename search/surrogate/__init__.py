"""The parts of the model-based strategies: encoding, Gaussian process, acquisition, inner search."""
