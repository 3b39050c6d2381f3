"""Training rules: the file names are the registry, one rule a file, each offering a class `Rule`."""
