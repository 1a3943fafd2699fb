"""What a notice holds is what JSON can."""

from __future__ import annotations

import os

from bench.results.notice import Notice, verbatim


def test_a_message_with_a_name_that_is_not_utf8_is_stored() -> None:
    notice = Notice.of("several", parts=(verbatim(f"{os.fsdecode(b'caf' + bytes([0xE9]))}: is gone"),))
    assert Notice.model_validate_json(notice.model_dump_json()) == notice
    assert notice.values["parts"] == (verbatim(r"caf\udce9: is gone"),)
