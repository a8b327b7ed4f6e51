"""What the demonstration's workers count."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.demo.files import FILE_BYTES_MAX, FILES_MAX, find, read
from orchestrion.demo.markdown import HEADINGS_KEPT_MAX, LINKS_KEPT_MAX, Heading, count
from orchestrion.demo.printing import printable

RESULT_BYTES_MAX = 65_536


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("one two\nthree", 3),
        ("well-known, isn't it & yes!", 4),
        ("**bo**ld and `some code`", 4),
        ("# A heading", 2),
        ("- a list\n- of items", 4),
        ("> quoted words", 2),
        ("| a | b |\n|---|---|\n| c | - |", 3),
        ("[two words](https://example.com/not-counted)", 2),
        ("![not counted](image.png)", 0),
        ("```\nnot counted\n```\n\n    nor this\n\nbut this", 2),
        ("<div>not counted</div>\n\none <b>two</b>", 2),
        ("---\ntitle: not counted\n---\n\none", 1),
        ("\r\n# one\r\n\r\ntwo\r\n", 2),
        ("日本語 slova", 2),
    ],
)
def test_words_are_counted_where_a_reader_finds_prose(text: str, words: int) -> None:
    assert count(text).words == words


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("# One", [(1, "One")]),
        ("### Closed ###", [(3, "Closed")]),
        ("One\n===\n\nTwo\nlines\n---\n", [(1, "One"), (2, "Two lines")]),
        ("# *Some* [link](/x) and `code`", [(1, "Some link and code")]),
        ("> ## Quoted", [(2, "Quoted")]),
        ("```md\n# not one\n```\n~~~\nnot\n===\n~~~\n\n    # nor this", []),
        ("#not one\n\n####### nor this\n\n\\# nor this", []),
        ("---\ntitle: none\n---\n# One", [(1, "One")]),
        ("#", [(1, "")]),
    ],
)
def test_headings_of_both_kinds_are_found_outside_code(
    text: str, headings: list[tuple[int, str]]
) -> None:
    counts = count(text)

    assert counts.headings == [Heading(level=level, text=words) for level, words in headings]
    assert counts.heading_count == len(headings)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("[in](/a) [titled](</b c> 'title')", ["/a", "/b%20c"]),
        ("[full][r], [r][], [r]\n\n[R]: https://example.com/", ["https://example.com/"] * 3),
        (
            "<https://example.com/> <a@example.com>",
            ["https://example.com/", "mailto:a@example.com"],
        ),
        ("# [in a heading](#x)\n\n| [in a table](#y) |\n|---|\n", ["#x", "#y"]),
        ("[![image](i.png)](/around)", ["/around"]),
        ("`[code](/x)`\n\n```\n[code](/y)\n```\n", []),
        ("![image](/x) \\[escaped](/y) [unknown][z]", []),
    ],
)
def test_links_of_all_kinds_are_found_outside_code(text: str, links: list[str]) -> None:
    counts = count(text)

    assert counts.links == links
    assert counts.link_count == len(links)


def test_lists_are_bounded_and_counts_are_not() -> None:
    counts = count("# heading\n\n[link](/x)\n\n" * 1_000)

    assert (counts.heading_count, counts.link_count) == (1_000, 1_000)
    assert len(counts.headings) == HEADINGS_KEPT_MAX
    assert len(counts.links) == LINKS_KEPT_MAX


@pytest.mark.parametrize("character", ["\x01", '"', "\\", "é", "\N{GRINNING FACE}", "a"])
def test_the_largest_result_fits_into_a_task(character: str) -> None:
    long = character * 200
    counts = count(f"# {long}\n\n[x](</{long}>) <https://example.com/{long}>\n\n" * 200)

    assert len(msgspec.json.encode(counts)) <= RESULT_BYTES_MAX


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=2_000))
def test_any_text_can_be_counted(text: str) -> None:
    counts = count(text)

    assert len(msgspec.json.encode(counts)) <= RESULT_BYTES_MAX
    assert "\0" not in "".join([*counts.links, *(heading.text for heading in counts.headings)])


def test_files_are_found_by_name_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b/z.md", "a.MD", "b/a.markdown", "c.txt", "node_modules/x.md", ".git/x.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, "utf-8")

    found = find(tmp_path)

    assert [source.path for source in found.sources] == ["a.MD", "b/a.markdown", "b/z.md"]
    assert [read(source.text) for source in found.sources] == ["a.MD", "b/a.markdown", "b/z.md"]
    assert not found.more


def test_too_many_files_are_cut_off_and_said_to_be(tmp_path: Path) -> None:
    for number in range(FILES_MAX + 1):
        (tmp_path / f"{number:04}.md").touch()

    found = find(tmp_path)

    assert len(found.sources) == FILES_MAX
    assert found.more


def test_overlong_files_and_broken_links_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "long.md").write_bytes(b" " * (FILE_BYTES_MAX + 1))
    (tmp_path / "broken.md").symlink_to(tmp_path / "nowhere.md")

    assert find(tmp_path).sources == []


def test_strange_names_and_bytes_are_read_and_shown_as_text(tmp_path: Path) -> None:
    strange = os.fsdecode(b"# \xff%20?\x1b.md")
    (tmp_path / strange).write_bytes(b"\xef\xbb\xbfcaf\xe9")

    (source,) = find(tmp_path).sources

    assert source.path == "# \N{REPLACEMENT CHARACTER}%20?\N{REPLACEMENT CHARACTER}.md"
    assert read(source.text) == "caf\N{REPLACEMENT CHARACTER}"


def test_text_from_files_cannot_steer_a_terminal() -> None:
    assert printable("a\x1b[2J\x9b\u202eb ü") == "a\ufffd[2J\ufffd\ufffdb ü"
