"""Inputs for fuzzing: a seed of the corpus with a few changes, drawn by hypothesis so that faults become small."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

__all__ = ["mutated"]

_TELLING = (
    b"\x00", b"\xff", b"\x7f", b"\x80", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f",
    b"\x01\x00\x00\x00", b"\xff" * 8, b"\x00" * 64, b"\x1b[2J", b"\xed\xa0\x80", b"\xe2\x80\xae", b"../", b"-1",
    b"1e999", b"NaN", b"0" * 5000, b"&a [*a]", b"{", b"[" * 2000, b'"', b"\n", b"\r", b",", b": ", b"\t", b"null",
    b"true", b"2001-01-01", b"0x" + b"f" * 6000,
)  # fmt: skip
"""Bytes that parsers stumble over: limits of integers, markup, control sequences, nesting, long numbers."""

_Change = tuple[str, int, bytes]


def _change() -> st.SearchStrategy[_Change]:
    place = st.integers(0, 2**24)
    what = st.one_of(st.sampled_from(_TELLING), st.binary(min_size=1, max_size=8))
    return st.tuples(st.sampled_from(("put", "insert", "delete", "repeat", "cut", "bit")), place, what)


def _apply(data: bytes, changes: list[_Change]) -> bytes:
    for kind, place, what in changes:
        at = place % (len(data) + 1)
        if kind == "put":
            data = data[:at] + what + data[at + len(what) :]
        elif kind == "insert":
            data = data[:at] + what + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + len(what) * 8 :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + 64] * (what[0] % 32) + data[at:]
        elif kind == "cut":
            data = data[:at]
        elif at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << what[0] % 8]) + data[at + 1 :]
    return data


def mutated(seeds: Sequence[bytes], most: int = 6) -> st.SearchStrategy[bytes]:
    """Draw one of the seeds with up to ``most`` changes; now and then bytes that no seed holds."""
    changes = st.lists(_change(), max_size=most)
    changed = st.builds(_apply, st.sampled_from(seeds), changes)
    return st.one_of(changed, changed, changed, st.binary(max_size=200)) if seeds else st.binary(max_size=2000)
