"""What may be built: architectures, spaces and published necks, as pure data."""
