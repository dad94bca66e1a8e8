"""Random streams that are the same on every machine and for every numpy release."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def pareto(uniforms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pareto numbers with exponent 4/3, from 1 to 100 (cut off), from uniform ones in [0, 1).

    Uses only operations that IEEE 754 defines to the last bit: powers and logarithms differ between
    machines.
    """
    root = np.sqrt(1.0 - uniforms)
    found: NDArray[np.float64] = np.minimum(1.0 / (root * np.sqrt(root)), 100.0)
    return found


class Stream:
    """Random numbers for one purpose, such as ("meters.events", day number), under one seed.

    Every purpose has its own stream, so that another kind of defect, or another day, does not
    change the other numbers. numpy guarantees the raw output of a bit generator for all releases,
    but not the results of its `Generator` methods, so only the raw output is used.
    """

    def __init__(self, seed: int, concern: str, number: int = 0) -> None:
        entropy = (seed, zlib.crc32(concern.encode()), number)
        self._bits = np.random.PCG64(np.random.SeedSequence(entropy))

    def uniforms(self, count: int) -> NDArray[np.float64]:
        """`count` floats in [0, 1)."""
        raw = np.asarray(self._bits.random_raw(count), dtype=np.uint64)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def uniform(self) -> float:
        """One float in [0, 1)."""
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def below(self, bound: int) -> int:
        """An integer in [0, bound)."""
        return int(self.uniform() * bound)

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.uniform() < probability

    def pick(self, values: Sequence[T]) -> T:
        """One of the values, all equally likely."""
        return values[self.below(len(values))]

    def favourite(self, values: Sequence[T]) -> T:
        """One of the values; the first ones are much more likely than the last."""
        share = self.uniform()
        return values[int(share * share * len(values))]

    def weighted(self, weights: dict[T, int]) -> T:
        """One of the keys; the probabilities are proportional to the weights."""
        rest = self.below(sum(weights.values()))
        for value, weight in weights.items():
            if rest < weight:
                return value
            rest -= weight
        raise AssertionError("unreachable: rest is below the sum of the weights")

    def hexadecimal(self, digits: int) -> str:
        """A string of up to 16 lower-case hexadecimal digits."""
        return f"{int(self._bits.random_raw()):016x}"[:digits]

    def distinct(self, count: int, low: int, high: int, taken: Collection[int] = ()) -> list[int]:
        """`count` different integers in [low, high) that are not in `taken`, in ascending order.

        Raises ValueError if there are not enough.
        """
        free = high - low - sum(low <= value < high for value in taken)
        if count > free:
            raise ValueError(f"{count} values requested, {free} available")
        if 2 * count > free:  # too few are free to draw until one is
            pool = [value for value in range(low, high) if value not in taken]
            for i in range(count):
                j = self.between(i, len(pool) - 1)
                pool[i], pool[j] = pool[j], pool[i]
            return sorted(pool[:count])
        found: set[int] = set()
        while len(found) < count:
            value = low + self.below(high - low)
            if value not in taken:
                found.add(value)
        return sorted(found)
