"""Generator: the random numbers of torch's CPU generator, without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Shuffle = Callable[[npt.NDArray[np.int64], npt.NDArray[np.uint64]], None]


class _Blank(np.random.bit_generator.ISeedSequence):
    """Words for MT19937 to begin with, before it is seeded as torch does: a list is 60 µs faster than an array."""

    def generate_state(self, n_words: int, dtype: npt.DTypeLike = np.uint32) -> Any:
        """Return zeros."""
        del dtype
        return [0] * n_words


class Generator:
    """Mersenne Twister (MT19937), seeded and read as torch does on the CPU.

    ``Generator(seed)`` gives what a plain program draws after ``torch.manual_seed(seed)``: torch seeds MT19937 with
    the low 32 bits of the seed, takes the low 53 bits of two words for a float64 in [0, 1), and one word for each swap
    of a permutation. Of a float32 it takes the low 24 bits of one word.

    Notes
    -----
    Matsumoto and Nishimura (1998), Mersenne twister, doi:10.1145/272991.272995.

    Examples
    --------
    >>> Generator(0).uniform(2, -0.5, 0.5).round(4)
    array([0.4701, 0.2078])
    """

    def __init__(self, seed: int) -> None:
        blank: Any = _Blank()
        self._words = np.random.MT19937(blank)
        np.random.RandomState(self._words).seed(seed & 0xFFFFFFFF)  # the seeding of the original, which torch has too

    def uniform(self, count: int, low: float, high: float, *, single: bool = False) -> npt.NDArray[np.float64]:
        """Return what ``torch.empty(count, dtype=torch.float64).uniform_(low, high)`` draws; with `single`, float32."""
        if single:
            least = float(np.float32(low))
            span = float(np.float32(np.float32(high) - np.float32(low)))
            parts = (self._words.random_raw(count) & 0xFFFFFF).astype(np.float64) * 2.0**-24
            # Exact in float64 but for the last bit; torch rounds once too, by FMA.
            return (parts * span + least).astype(np.float32).astype(np.float64)
        words = self._words.random_raw(2 * count).astype(np.uint64).reshape(count, 2)
        bits = ((words[:, 0] << np.uint64(32)) | words[:, 1]) & np.uint64(2**53 - 1)
        # torch's kernel multiplies and adds with one rounding (FMA): so does the quotient of two integers.
        (width, below), (start, under) = (high - low).as_integer_ratio(), low.as_integer_ratio()
        times, plus, whole = width * under, start * below << 53, below * under << 53
        return np.array([(bit * times + plus) / whole for bit in bits.tolist()])

    def permutation(self, count: int, swap: Shuffle | None = None) -> npt.NDArray[np.int64]:
        """Return what ``torch.randperm(count)`` draws; `swap` may be a faster `shuffle`."""
        order = np.arange(count)
        (swap or shuffle)(order, self._words.random_raw(max(count - 1, 0)).astype(np.uint64))
        return order

    def snapshot(self) -> dict[str, Any]:
        """Return the state, for `restore`: the 624 words of MT19937 as bytes, and how many of them were used."""
        state: Any = self._words.state
        return {"words": state["state"]["key"].astype("<u4").tobytes(), "place": int(state["state"]["pos"])}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned."""
        words = np.frombuffer(state["words"], dtype="<u4").astype(np.uint32)
        self._words.state = {"bit_generator": "MT19937", "state": {"key": words, "pos": state["place"]}}


def shuffle(order: npt.NDArray[np.int64], words: npt.NDArray[np.uint64]) -> None:
    """Shuffle in place, as Fisher and Yates do, with one word a swap."""
    places = order.tolist()
    for place, word in enumerate(words.tolist()):
        other = place + word % (len(places) - place)
        places[place], places[other] = places[other], places[place]
    order[:] = places
