"""Medians with distribution-free 95 % intervals, and what may be claimed from them."""

import math
import statistics

CONFIDENCE = 0.95


def median_interval(values):
    """Returns (median, (low, high)) by order statistics; the interval is None below 6 values.

    The k-th smallest and k-th largest of n values hold the median between them with probability
    1 - 2 P(Binomial(n, 1/2) < k), whatever the distribution (David & Nagaraja, Order Statistics,
    section 7.1); k is the largest that keeps 95 %.
    """
    ordered = sorted(values)
    count = len(ordered)
    interval = None
    below = 0.0
    for k in range(1, count // 2 + 1):
        below += math.comb(count, k - 1) / 2 ** count
        if 1 - 2 * below < CONFIDENCE:
            break
        interval = (ordered[k - 1], ordered[count - k])
    return statistics.median(ordered), interval


def ratio_interval(numerators, denominators):
    """The median of the ratios of paired repetitions, and its interval."""
    return median_interval([a / b for a, b in zip(numerators, denominators, strict=True)])


def overlap(a, b):
    """Whether two intervals overlap; one that is not known overlaps with everything."""
    return a is None or b is None or (a[0] <= b[1] and b[0] <= a[1])


def number(value):
    return f"{value:.3g}" if value == 0 or 1e-2 <= abs(value) < 1e4 else f"{value:.2e}"


def written(middle, interval):
    if interval is None:
        return number(middle)
    return f"{number(middle)} [{number(interval[0])}, {number(interval[1])}]"
