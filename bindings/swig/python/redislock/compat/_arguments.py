# SPDX-License-Identifier: MIT
"""Arguments of methods."""

from __future__ import annotations


def check_seconds(argument: str, value: object) -> None:
    """Refuses what the reference trips over, with the same kinds of exceptions."""
    if not isinstance(value, (int, float)):
        raise TypeError(f"{argument}: seconds expected, as an int or a float, got {type(value).__name__}")
    if not value >= 0:
        raise ValueError(f"{argument}: it can't be negative, got {value!r}")
