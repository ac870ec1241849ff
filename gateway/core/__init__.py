"""What the Pi and the ESP32 share: pure functions, nothing imported from outside this package."""
