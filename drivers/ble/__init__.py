"""One module per advertisement format or device family, its examples in a .json beside it."""
