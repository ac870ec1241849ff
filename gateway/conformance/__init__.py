"""The conformance suite: what docs/reference/driver-interface.md promises, checked on one driver.

Empty but for this, so that MicroPython can import `gateway.conformance.on_micropython`.
"""
