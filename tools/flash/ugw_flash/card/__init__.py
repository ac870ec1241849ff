"""Cards: an image onto a disk, all of it read back, its partition table last."""
