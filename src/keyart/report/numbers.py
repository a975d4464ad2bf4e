"""How reports and model cards write metrics, intervals, differences and shares."""

from keyart.model_metrics import Difference, Interval


def value_text(found: Interval | None) -> str:
    """A metric: 0.123."""
    return "-" if found is None else _number(found.value, found)


def interval_text(found: Interval | None) -> str:
    """Its confidence interval: 0.101 to 0.145."""
    if found is None:
        return "-"
    return f"{_number(found.low, found)} to {_number(found.high, found)}"


def signed_text(difference: Difference, found: Interval) -> str:
    """A difference with its sign, and the decimals of the metric that it belongs to."""
    sign = "-" if difference.value < 0 else "+"
    return sign + _number(abs(difference.value), found)


def share_text(found: Interval | None) -> str:
    """A share with its interval, in per cent: 12.3% (95% interval 10.1 to 14.5)."""
    if found is None:
        return "-"
    low, high = 100 * found.low, 100 * found.high
    return f"{100 * found.value:.1f}% (95% interval {low:.1f} to {high:.1f})"


def percent_text(score: float) -> str:
    """A score in per cent. A score below 1 is never shown as 100%, nor one above 0 as 0%."""
    if 0 < score < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= score < 1 else f"{100 * score:.0f}%"


def _number(value: float, found: Interval) -> str:
    """Three decimals, or four if three would hide the interval."""
    return f"{value:.{4 if 0 < found.high < 0.01 else 3}f}"
