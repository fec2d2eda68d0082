"""Whether an encoded image can be what its header says, found out before OpenCV takes memory for it.

A damaged header may claim 30,000 x 30,000 pixels, or a chunk of two gigabytes, in a file of a kilobyte; OpenCV would
spend the memory and the seconds.
"""

from __future__ import annotations

__all__ = ["complaint"]

# The most that the formats can compress: a byte of deflate holds up to 1032, one of a one-colored JPEG a few hundred pixels.
_DEFLATE, _JPEG = 1040, 1024
_SMALL = 1 << 20  # bytes or pixels that are always taken
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def complaint(content: bytes) -> str:
    """What is wrong with an encoded image of type PNG, JPEG or BMP; "" where nothing is seen.

    >>> complaint(_PNG + b"\\0\\0\\0\\x0dIHDR")
    'its chunk IHDR at byte 8 ends after the file, which has 16 bytes'
    """
    if content[:8] == _PNG:
        return _png(content)
    if content[:2] == b"\xff\xd8":
        return _jpeg(content)
    return _bmp(content) if content[:2] == b"BM" and len(content) > 34 else ""


def _claim(width: int, height: int, content: bytes) -> str:
    return f"its header claims {width} x {height} pixels, which {len(content)} bytes cannot hold"


def _number(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "big")


def _png(content: bytes) -> str:
    at, end, kind = 8, len(content), b""
    while at < end and kind != b"IEND":
        kind = content[at + 4 : at + 8]
        following = at + 12 + _number(content, at)
        if following > end:
            name = kind.decode("latin-1") if kind.isalpha() else kind.hex()
            return f"its chunk {name} at byte {at} ends after the file, which has {end} bytes"
        if kind == b"IHDR":
            width, height = _number(content, at + 8), _number(content, at + 12)
            bits = content[at + 16] * _PNG_CHANNELS.get(content[at + 17], 4)
            if height * (1 + (width * bits + 7) // 8) > _SMALL + _DEFLATE * end:
                return _claim(width, height, content)
        at = following
    return "" if kind == b"IEND" else f"its end is missing after {end} bytes"


def _jpeg(content: bytes) -> str:
    at, end = 2, len(content)
    while at + 9 <= end and content[at] == 0xFF:
        kind = content[at + 1]
        if kind == 0xFF:  # a fill byte
            at += 1
            continue
        if kind == 0xDA:  # the pixels begin
            break
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = (int.from_bytes(content[at + k : at + k + 2], "big") for k in (5, 7))
            if width * height > _SMALL + _JPEG * end:
                return _claim(width, height, content)
        at += 2 if kind == 0x01 or 0xD0 <= kind <= 0xD7 else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return "" if content.rfind(b"\xff\xd9", at) >= 0 else f"its end is missing after {end} bytes"


def _bmp(content: bytes) -> str:
    width, height = (int.from_bytes(content[k : k + 4], "little", signed=True) for k in (18, 22))
    bits, packing = int.from_bytes(content[28:30], "little"), int.from_bytes(content[30:34], "little")
    if packing == 0 and abs(width * height) * max(bits, 1) // 8 > len(content):
        return _claim(width, abs(height), content)
    return ""
