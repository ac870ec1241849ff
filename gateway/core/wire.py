"""The one renderer of the canonical JSON: the same bytes on CPython and on MicroPython.

Fields stand in the order of the schema, without white space; decimals are exact and in their
shortest form; absent fields are left out. Nothing here is a float but the signal-to-noise ratio.
It is the hot path of a busy gateway: strings are put together by hand, without looking twice.
"""

from gateway.core import vocabulary

# A text of these alone, printable ASCII but for the quote and the backslash, stands as it is.
_PLAIN = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$%&'()*+,-./:;<=>?@[]^_`{|}~"
)
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_REPLACEMENT = "\ufffd"
_SNR_SCALE = 2
_DAY_S = 86400


# ------------------------------------------------------------------------------------------ values
def decimal(mantissa: int, scale: int) -> str:
    """Render mantissa * 10**-scale exactly: no exponent, no trailing zero, no negative zero."""
    if scale <= 0:
        return str(mantissa * 10**-scale)
    sign = "-" if mantissa < 0 else ""
    digits = str(abs(mantissa))
    if len(digits) <= scale:
        digits = "0" * (scale + 1 - len(digits)) + digits
    fraction = digits[-scale:].rstrip("0")
    return f"{sign}{digits[:-scale]}.{fraction}" if fraction else sign + digits[:-scale]


def quote(text: str) -> str:
    """Render a text as a JSON string; a lone surrogate, which UTF-8 cannot hold, is replaced."""
    if not text.strip(_PLAIN):
        return f'"{text}"'
    return '"' + "".join([_character(character) for character in text]) + '"'


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if code < 0x20:  # noqa: PLR2004 - the first character JSON takes as it is (RFC 8259, 7)
        return f"\\u{code:04x}"
    return _REPLACEMENT if 0xD800 <= code <= 0xDFFF else character  # noqa: PLR2004 - the surrogates


def _value(value: int | str | None, scale: int) -> str:
    if type(value) is int:
        return decimal(value, scale)
    if value is None:
        return "null"
    if isinstance(value, str):
        return quote(value)
    return "true" if value else "false"


# ------------------------------------------------------------------------------------ observations
# What stands around the value of a property. Rendered at first use, and no more than it has names.
_frames: "dict[str, tuple[str, str]]" = {}


def _frame(name: str) -> "tuple[str, str]":
    unit = vocabulary.unit(name)  # needs no quote(): a test holds every unit to plain characters
    frame = f'{{"observedProperty":{quote(name)}', f',"unit":"{unit}"'
    if not (vocabulary.thrifty[0] or name.startswith("x_")):
        _frames[name] = frame
    return frame


def result(
    judged: tuple[str, int | str | None, int, str, str, tuple[str, ...]],
) -> str:
    """Render (observed property, value, scale, channel, quality, flags).

    Raises KeyError for a property that the vocabulary does not know.
    """
    name, value, scale, channel, quality, flags = judged
    text, unit = _frames.get(name) or _frame(name)
    if channel:
        text += f',"channel":{quote(channel)}'
    text += f',"result":{_value(value, scale)}{unit}'
    if quality:
        text += f',"quality":{quote(quality)}'
    if flags:
        text += ',"flags":' + _strings(sorted(flags))
    return text + "}"


def link(  # noqa: PLR0913, PLR0917 - a link's seven; keywords cost the hot path more than a name
    medium: str,
    rssi_dbm: int | None,
    snr_db: float | None,
    frame_counter: int | None,
    copies: int,
    spreading_factor: int | None = None,
    frequency_hz: int | None = None,
) -> str:
    """Render how an observation arrived; what is None, and a single copy, is left out."""
    text = f'{{"medium":{quote(medium)}'
    if rssi_dbm is not None:
        text += f',"rssi":{rssi_dbm}'
    if snr_db is not None:
        text += ',"snr":' + decimal(round(snr_db * 10**_SNR_SCALE), _SNR_SCALE)
    if frame_counter is not None:
        text += f',"frameCounter":{frame_counter}'
    if spreading_factor is not None:
        text += f',"spreadingFactor":{spreading_factor}'
    if frequency_hz is not None:
        text += f',"frequencyHz":{frequency_hz}'
    if copies != 1:
        text += f',"copies":{copies}'
    return text + "}"


def observation_head(seq: int, device: str) -> str:
    """Render an observation's beginning; a time part and observation_tail complete it."""
    return f'{{"seq":{seq},"device":{quote(device)}'


def time_exact(unix_ms: int, quality: str) -> str:
    """Render when it was heard, for the qualities exact, holdover and reconstructed."""
    return f',"phenomenonTime":"{rfc3339_ms(unix_ms)}","timeQuality":"{quality}"'


def time_unknown(boot: str, uptime_ms: int) -> str:
    """Render what orders and spaces an observation that no clock could date."""
    return f',"timeQuality":"unknown","boot":{quote(boot)},"uptimeMs":{uptime_ms}'


def observation_tail(
    results: "tuple[tuple[str, int | str | None, int, str, str, tuple[str, ...]], ...]",
    link_text: str,
) -> str:
    """Render what follows the time: the results and the link (as `link` rendered it)."""
    rendered = ",".join([result(judged) for judged in results])
    return f',"results":[{rendered}],"link":{link_text}}}'


# ----------------------------------------------------------------------------------------- bundles
def bundle_head(  # noqa: PLR0913, PLR0917 - the head's six, in its order
    org: str,
    gateway: str,
    stream: str,
    klass: str,
    clock_state: str,
    max_error_ms: int | None,
) -> str:
    """Render a bundle's beginning, up to its list of observations."""
    origin = f'"org":{quote(org)},"gateway":{quote(gateway)},"stream":{quote(stream)}'
    error = "" if max_error_ms is None else f',"maxErrorMs":{max_error_ms}'
    clock = f'{{"state":{quote(clock_state)}{error}}}'
    head = f'{{"schema":"ugw.observations/1",{origin},"class":{quote(klass)}'
    return f'{head},"clock":{clock},"observations":['


def bundle(head: str, observations: "list[str]") -> str:
    """Render a bundle from bundle_head and its whole observations."""
    return head + ",".join(observations) + "]}"


def _strings(texts: "list[str]") -> str:
    return "[" + ",".join([quote(text) for text in texts]) + "]"


# -------------------------------------------------------------------------------------------- time
# The last second rendered: a bundle's observations mostly share it. One tuple, so never half new.
_last_second = [(0, "1970-01-01T00:00:00")]


def rfc3339_ms(unix_ms: int) -> str:
    """Render milliseconds since 1970-01-01T00:00:00Z, years 1 to 9999, as RFC 3339 in UTC."""
    second = unix_ms // 1000
    known, text = _last_second[0]
    if known != second:
        text = _date(second // _DAY_S) + _time_of_day(second % _DAY_S)
        _last_second[0] = (second, text)
    return f"{text}.{unix_ms % 1000:03d}Z"


def _date(days: int) -> str:
    """Render days since 1970-01-01, in the proleptic Gregorian calendar.

    Counted in eras of 400 years that begin on 1 March, so that a leap day is the last of its year
    (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    """
    days += 719468
    era, day_of_era = days // 146097, days % 146097
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153  # 0 is March
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9  # noqa: PLR2004
    year = year_of_era + 400 * era + (1 if month <= 2 else 0)  # noqa: PLR2004
    return f"{year:04d}-{month:02d}-{day:02d}T"


def _time_of_day(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
