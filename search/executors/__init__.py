"""Ways to evaluate many architectures. The file names are the registry."""
