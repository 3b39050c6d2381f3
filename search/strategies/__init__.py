"""Ways to choose what to evaluate next. The file names are the registry; `search.strategy` loads them."""
