"""ESP32 boards: what is written to one, checked, written by esptool, read back."""
