"""What others say of a reception: None for what no radio can have measured."""


def rssi_dbm(value: float | None) -> int | None:
    """Return a signal strength."""
    return _whole(value, -200, 100)


def snr_db(value: float | None) -> float | None:
    """Return a ratio in the quarters of a decibel it is measured in; some tell one digit only."""
    steps = _whole(None if value is None else value * 4, -800, 800)
    return None if steps is None else steps / 4


def spreading_factor(value: float | None) -> int | None:
    """Return a spreading factor of LoRa."""
    return _whole(value, 5, 12)


def frequency_hz(value: float | None) -> int | None:
    """Return a carrier's frequency."""
    return _whole(value, 1, 10_000_000_000)


def _whole(value: float | None, lowest: int, highest: int) -> int | None:
    return round(value) if value is not None and lowest <= value <= highest else None
