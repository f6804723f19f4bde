"""Exact Shapley values of a linear model under a sigmoid, factored: the strongest NumPy we know.

The game is v(S) = logit(sum_b w_b P(x_S, b_notS)). A margin is the sum of what its groups bring, so
exp(-margin) is a product of a row part, which depends on S, and a background part, which depends on
b and the complement of S: the exponentials of the background are taken once, those of a row 2^M
times, and what is left is an add, a division and two sums over the background.
"""

import math

import numpy as np

COALITIONS_PER_BLOCK = 512  # times 100 background rows of doubles: 400 KiB an array


def subset_sums(contributions):
    """Sums over the members of every coalition, a bit mask. [..., groups] -> [..., 2^groups]."""
    sums = np.zeros(contributions.shape[:-1] + (1,))
    for group in range(contributions.shape[-1]):
        sums = np.concatenate([sums, sums + contributions[..., group, None]], axis=-1)
    return sums


def shapley_matrix(groups):
    """Shapley values as a linear map of the game's values. Shape [groups, 2^groups]."""
    coalitions = np.arange(1 << groups)
    sizes = np.array([coalition.bit_count() for coalition in range(1 << groups)])
    weight = np.array([math.factorial(size) * math.factorial(groups - size - 1)
                       / math.factorial(groups) for size in range(groups)])
    member = (coalitions >> np.arange(groups)[:, None] & 1).astype(bool)
    joined = weight[np.maximum(sizes - 1, 0)]
    absent = weight[np.minimum(sizes, groups - 1)]
    return np.where(member, joined, -absent)


def exact_attributions(rows, background, members, coef, intercept, weights=None):
    """Shapley values in log-odds. rows: [rows, columns] -> [rows, groups]."""
    groups = len(members)
    part = np.zeros((len(coef), groups))
    for group, columns in enumerate(members):
        part[columns, group] = coef[columns]
    count = len(background)
    weights = np.full(count, 1 / count) if weights is None else weights / np.sum(weights)

    # from_background[block][b, k] = exp(-(intercept + what b brings where the coalition has not x))
    complement = subset_sums(background @ part)[:, ::-1]
    starts = range(0, 1 << groups, COALITIONS_PER_BLOCK)
    from_background = [np.exp(-(intercept + complement[:, s:s + COALITIONS_PER_BLOCK]), order="C")
                       for s in starts]
    to_shapley = shapley_matrix(groups)

    attributions = np.empty((len(rows), groups))
    chance_sum, other_sum = np.empty(1 << groups), np.empty(1 << groups)
    odds, chance = np.empty_like(from_background[0]), np.empty_like(from_background[0])
    for index, row in enumerate(rows @ part):
        from_row = np.exp(-subset_sums(row))
        for start, factor in zip(starts, from_background):
            block = slice(start, start + COALITIONS_PER_BLOCK)
            width = factor.shape[1]
            np.multiply(factor, from_row[block], out=odds[:, :width])
            np.add(odds[:, :width], 1, out=chance[:, :width])
            np.divide(1, chance[:, :width], out=chance[:, :width])
            np.dot(weights, chance[:, :width], out=chance_sum[block])
            # 1 - p, summed from its own terms: the difference loses its digits near p = 1
            np.multiply(odds[:, :width], chance[:, :width], out=odds[:, :width])
            np.dot(weights, odds[:, :width], out=other_sum[block])
        attributions[index] = to_shapley @ (np.log(chance_sum) - np.log(other_sum))
    return attributions
