"""One block of AES-128, deciphered in plain integers: FIPS 197, 5.3.

For formats that hide a frame under a key which stands in the frame itself. It keeps no secret: its
time depends on the key. What is secret goes through gateway.crypto, or cryptolib on the ESP32.
"""

_ROUNDS = 10
_BLOCK_SIZE = 16


def _double(value: int) -> int:
    """Multiply by x in the field of AES."""
    return value << 1 ^ (0x11B if value & 0x80 else 0)


def _product(left: int, right: int) -> int:
    product = 0
    while right:
        if right & 1:
            product ^= left
        left = _double(left)
        right >>= 1
    return product


def _substitution() -> bytes:
    """Return the S-box: 3 generates the field, so its powers and those of 1/3 are inverses."""
    box = bytearray(256)
    box[0] = 0x63
    power, inverse = 1, 1
    for _ in range(255):
        power, inverse = power ^ _double(power), _product(inverse, 0xF6)
        spread = inverse * 0x101
        box[power] = (spread ^ spread >> 4 ^ spread >> 5 ^ spread >> 6 ^ spread >> 7) & 0xFF ^ 0x63
    return bytes(box)


def _inverted(box: bytes) -> bytes:
    inverse = bytearray(len(box))
    for value, substitute in enumerate(box):
        inverse[substitute] = value
    return bytes(inverse)


_BOX = _substitution()
_INVERSE_BOX = _inverted(_BOX)
_BY_9, _BY_11, _BY_13, _BY_14 = [
    bytes([_product(value, factor) for value in range(256)]) for factor in (9, 11, 13, 14)
]
_FROM = tuple(
    [(at - 4 * (at % 4)) % _BLOCK_SIZE for at in range(_BLOCK_SIZE)]
)  # rows, shifted back


def decipher(key: bytes, block: bytes) -> bytes:
    """Return the clear text of one block; key and block have 16 bytes."""
    keys = _round_keys(key)
    state = [block[at] ^ keys[_ROUNDS][at] for at in range(_BLOCK_SIZE)]
    for number in range(_ROUNDS - 1, -1, -1):
        mask = keys[number]
        state = [_INVERSE_BOX[state[_FROM[at]]] ^ mask[at] for at in range(_BLOCK_SIZE)]
        if number:
            state = _unmixed(state)
    return bytes(state)


def _round_keys(key: bytes) -> list[bytes]:
    keys = [key]
    constant = 1
    for _ in range(_ROUNDS):
        before = keys[-1]
        after = bytearray(before)
        for at in range(4):
            after[at] ^= _BOX[before[12 + (at + 1) % 4]]
        after[0] ^= constant
        for at in range(4, _BLOCK_SIZE):
            after[at] ^= after[at - 4]
        keys.append(bytes(after))
        constant = _double(constant)
    return keys


def _unmixed(state: list[int]) -> list[int]:
    """Undo MixColumns."""
    mixed: list[int] = []
    for at in range(0, _BLOCK_SIZE, 4):
        a, b, c, d = state[at : at + 4]
        mixed.append(_BY_14[a] ^ _BY_11[b] ^ _BY_13[c] ^ _BY_9[d])
        mixed.append(_BY_9[a] ^ _BY_14[b] ^ _BY_11[c] ^ _BY_13[d])
        mixed.append(_BY_13[a] ^ _BY_9[b] ^ _BY_14[c] ^ _BY_11[d])
        mixed.append(_BY_11[a] ^ _BY_13[b] ^ _BY_9[c] ^ _BY_14[d])
    return mixed
