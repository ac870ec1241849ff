"""One module per payload codec, its examples in a .json beside it."""
