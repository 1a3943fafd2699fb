from hypothesis import given
from hypothesis import strategies as st

from bench.terminal import printable


def test_what_controls_a_terminal_is_escaped_and_words_are_not() -> None:
    assert printable("Zelle ∅ 日本 é\nnext") == "Zelle ∅ 日本 é\nnext"
    assert printable("a\x1b]0;owned\x07b") == "a\\x1b]0;owned\\x07b"
    assert printable("left\u202eright \ud800 \x9b2J") == "left\\u202eright \\ud800 \\x9b2J"
    assert printable("one\ntwo", lines=False) == "one\\ntwo"
    assert printable("👩\u200d🔬") == "👩\u200d🔬"


@given(st.text())
def test_nothing_that_is_left_controls_anything(text: str) -> None:
    shown = printable(text, lines=False)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000 for char in shown)
    assert printable(shown, lines=False) == shown
