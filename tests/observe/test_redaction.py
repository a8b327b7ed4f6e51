"""The last filter, over whatever text there is."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from orchestrion.observe.redaction import cleanse, printable
from tests.observe.conftest import KEY

TEXT = st.lists(st.one_of(st.text(), st.just(KEY), st.just("orch_live_"))).map("".join)


@given(TEXT)
def test_printable_text_has_no_key_and_no_control(text: str) -> None:
    shown = printable(text)

    assert "orch_live_" not in shown
    assert not [char for char in shown if unicodedata.category(char) in {"Cc", "Cs"}]


@given(st.lists(TEXT, min_size=1))
def test_cleansed_json_is_still_the_same_lines_of_json(texts: list[str]) -> None:
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)

    cleansed = cleanse(lines.encode()).decode()

    assert "orch_live_" not in cleansed
    assert cleansed.count("\n") == len(texts)
    for line, text in zip(cleansed.split("\n"), texts, strict=False):
        if "orch_live_" not in text:
            assert json.loads(line) == {"text": text}
        else:
            json.loads(line)
