"""Lengths that containers write in a way of their own, for whoever walks them.

Decides only what the digits say; whether that fits the file is for the walker to see.

Source: ID3v2.4.0 section 6.2 (synchsafe integers), GIF89a sections 18 and 20 (colour tables).
"""


def syncsafe(digits: bytes) -> int:
    """A number in which each byte counts by its lower seven bits, the first being the highest."""
    number = 0
    for digit in digits:
        number = number << 7 | digit & 0x7F
    return number


def gif_colour_table_bytes(flags: int) -> int:
    """Length of the table of colours that these flags of a screen or picture announce; 0 for none."""
    return 6 << (flags & 7) if flags & 0x80 else 0
