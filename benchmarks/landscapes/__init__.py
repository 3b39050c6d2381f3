"""Search problems whose every value is known, so that strategies can be compared."""
