"""Sources of frames. Each repairs itself, says what is wrong, never raises to its owner."""
