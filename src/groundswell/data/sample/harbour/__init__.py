"""High water, and when a ship may enter."""
