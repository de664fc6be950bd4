"""Times as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds -> `8 s`, `3 min 05 s`, `2 h 07 min`, `3 d 04 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, seconds_left = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {seconds_left:02d} s"
    hours, minutes_left = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes_left:02d} min"
    days, hours_left = divmod(hours, 24)
    return f"{days} d {hours_left:02d} h"
