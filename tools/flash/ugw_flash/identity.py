"""Who a gateway is to people and to whoever certifies it: short codes to read, claims to prove.

A claim can be used once, for one gateway, until it expires. It is shown to nobody but the gateway
and its label: results, logs and reprs have its digest.
"""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple, Self

from gateway.config.secrets import Secret
from ugw_flash.outcome import BadMaterialError

# Crockford's base 32: no I, L, O and U, so that nothing is mistaken for 1, 0 or V.
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_DIGIT_BITS: Final = 5
_CLAIM_BYTES: Final = 16
_CLAIM_DIGITS: Final = 26
_CODE_DIGITS: Final = 7  # 35 bits: a city of 10,000 gateways has two alike once in 700
_CHECK_MODULUS: Final = 37  # finds every wrong digit and every two that were swapped


class Claim(NamedTuple):
    """What proves once that a gateway is the one that was ordered."""

    secret: Secret
    expires_s: int  # Unix time

    @classmethod
    def new(cls, expires_s: int, randomness: Callable[[int], bytes] = secrets.token_bytes) -> Self:
        """Make one of 128 random bits."""
        return cls.of(
            _base32(int.from_bytes(randomness(_CLAIM_BYTES), "big"), _CLAIM_DIGITS), expires_s
        )

    @classmethod
    def of(cls, text: str, expires_s: int) -> Self:
        """Take one that was kept. Raises BadMaterialError for what is none."""
        if len(text) != _CLAIM_DIGITS or text.strip(_DIGITS):
            cause = f"this is no claim: it has {_CLAIM_DIGITS} of the characters {_DIGITS}"
            raise BadMaterialError(cause, "have a new one made: --again")
        return cls(Secret(f"claim:{digest_of(text)[:8]}", text), expires_s)

    @property
    def digest(self) -> str:
        """The SHA-256 of its text, in hexadecimal: what a platform keeps to know it again."""
        return digest_of(self.secret.reveal())

    def __repr__(self) -> str:
        return f"Claim({self.secret!r}, {self.expires_s})"


def digest_of(claim: str) -> str:
    """Return the SHA-256 of a claim's text, in hexadecimal."""
    return hashlib.sha256(claim.encode()).hexdigest()


def short_code(org: str, gateway: str) -> str:
    """Return what people read out and type instead of a gateway's id: XXXX-XXXX.

    Always the same for the same gateway. The last character checks the others.
    """
    attempt = 0
    while True:
        seed = hashlib.sha256(f"{org}/{gateway}/{attempt}".encode()).digest()
        number = int.from_bytes(seed, "big") >> (8 * len(seed) - _CODE_DIGITS * _DIGIT_BITS)
        check = number % _CHECK_MODULUS
        # Crockford's other five check characters are *~$=U: no good in a URL or on a telephone.
        if check < len(_DIGITS):
            return _hyphened(_base32(number, _CODE_DIGITS) + _DIGITS[check])
        attempt += 1


def read_code(text: str) -> str:
    """Return a short code as it is written, however it was typed. Raises BadMaterialError."""
    code = text.strip().upper().replace("-", "").replace(" ", "").translate(_MISREAD)
    if len(code) != _CODE_DIGITS + 1 or code.strip(_DIGITS):
        cause = f"{text!r} is no short code: it has {_CODE_DIGITS + 1} digits and letters"
        raise BadMaterialError(cause, "read it once more from the label")
    number = 0
    for digit in code[:-1]:
        number = number << _DIGIT_BITS | _DIGITS.index(digit)
    if number % _CHECK_MODULUS != _DIGITS.index(code[-1]):
        cause = f"{_hyphened(code)} is mistyped: its last character does not fit the others"
        raise BadMaterialError(cause, "read it once more from the label")
    return _hyphened(code)


def _hyphened(code: str) -> str:
    return f"{code[:4]}-{code[4:]}"


def _base32(number: int, digits: int) -> str:
    return "".join(
        _DIGITS[number >> _DIGIT_BITS * place & 31] for place in reversed(range(digits))
    )
