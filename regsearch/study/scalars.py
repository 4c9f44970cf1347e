"""What an unquoted word of a YAML file means: the rules of YAML 1.2, and no guessing."""

from __future__ import annotations

import math
import re

LARGEST = 2**53  # beyond it a double no longer tells neighbouring whole numbers apart

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SWITCH = re.compile(r"(yes|no|on|off)", re.IGNORECASE)
_NOT_FINITE = re.compile(r"[-+]?\.inf|\.nan", re.IGNORECASE)
_CLOCK = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_UNDERSCORED = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9]*)?")
_LEADING_ZERO = re.compile(r"([-+]?)0+([0-9]+)((\.[0-9]*)?([eE][-+]?[0-9]+)?)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_WHOLE = re.compile(r"[-+]?[0-9]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def plain_scalar(text: str, *, switches: bool = False) -> str | int | float | bool | None:
    """Read one unquoted scalar; ``1e-4`` is a number and a date is a text.

    Args:
        text: the scalar as written.
        switches: whether ``on``, ``off``, ``yes`` and ``no`` are words here, not mistaken booleans.

    Raises:
        ValueError: YAML's versions disagree about ``text``, or a double cannot hold it.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _SWITCH.fullmatch(text):
        if switches:
            return text.lower()
        meant = "true" if text.lower() in ("yes", "on") else "false"
        raise ValueError(
            f"{text} is a boolean to some readers and a word to others; "
            f'write {meant}, or "{text}" in quotes for the word'
        )
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"needs a finite number, got {text}; write the number that is meant")
    return _number(text)


def _number(text: str) -> str | int | float:
    if _CLOCK.fullmatch(text):
        raise ValueError(
            f"{_short(text)} is a number in base 60 to some readers; "
            f'write it in quotes, "{_short(text)}", or as a plain number'
        )
    if _UNDERSCORED.fullmatch(text):
        raise ValueError(f"needs digits only, got {_short(text)}; write {text.replace('_', '')}")
    if zero := _LEADING_ZERO.fullmatch(text):
        sign, digits, rest = zero.group(1, 2, 3)
        octal = f" or {sign}0o{digits}" if not rest and set(digits) <= set("01234567") else ""
        raise ValueError(
            f"{_short(text)} has a leading zero, which some readers take for octal; "
            f"write {_short(sign + digits + rest)}{octal}"
        )
    if _BASED.fullmatch(text) or _WHOLE.fullmatch(text):
        return _whole(text)
    if _REAL.fullmatch(text):
        return _real(text)
    return text


def _whole(text: str) -> int:
    number = int(text, 0) if len(text) < 32 else LARGEST + 1
    if abs(number) > LARGEST:
        raise ValueError(f"needs a number of at most 2^53 in size, got {_short(text)}")
    return number


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"needs a finite number, got {_short(text)}, too large for a double")
    if number == 0 and re.search("[1-9]", re.split("[eE]", text)[0]):
        raise ValueError(f"got {_short(text)}, too small for a double; write 0 or a larger number")
    return number + 0.0  # -0.0 and 0.0 are one value, and one run


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} characters)"
