"""Networks by name, for images of 8x8 to 64x64."""
