"""Networks that the papers start from, for images and for video."""
