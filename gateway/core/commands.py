"""Settings of a serial modem into its commands: what each driver of one does alike."""


def command(line: str, reply: str) -> tuple[bytes, str]:
    """Return a line of text as it is written, with the reply to expect."""
    return (line.encode() + b"\r\n", reply)


def within(settings: dict[str, int | str], name: str, limits: tuple[int, int]) -> int:
    """Return a setting that is given. Raise ValueError, naming it, for one out of its limits."""
    value = settings[name]
    if not isinstance(value, int) or not limits[0] <= value <= limits[1]:
        message = f"{name}: {limits[0]} to {limits[1]}"
        raise ValueError(message)
    return value
