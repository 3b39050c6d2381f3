"""Training a supernet: one loop, and one file a rule under `rules`."""
