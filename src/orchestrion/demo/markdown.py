"""Counts the words of a Markdown text and collects its headings and links."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token

# A result may have 65,536 bytes, so the lists are bounded; the counts are of the whole text. A
# heading's character takes six bytes at worst, a link's one, because links are percent-encoded.
HEADINGS_KEPT_MAX = 60
HEADING_LENGTH_MAX = 80
LINKS_KEPT_MAX = 100
LINK_LENGTH_MAX = 160

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """A heading as a reader sees it, without its marks."""

    level: int
    text: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a text; the lists hold the first of what the numbers count."""

    words: int
    heading_count: int
    link_count: int
    headings: list[Heading]
    links: list[str]


def count(text: str) -> Counts:
    """Read CommonMark with tables.

    Words are counted where a reader finds prose: in headings, paragraphs, lists, tables, inline
    code. Code blocks, HTML, images and front matter hold none.
    """
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(_FRONT_MATTER.sub("", text.replace("\r\n", "\n"), count=1))
    prose = [_prose(token) for token in tokens if token.type == "inline"]
    headings = list(_headings(tokens))
    links = [link for token in tokens for link in _links(token)]
    return Counts(
        words=sum(_is_word(part) for text in prose for part in text.split()),
        heading_count=len(headings),
        link_count=len(links),
        headings=headings[:HEADINGS_KEPT_MAX],
        links=[link[:LINK_LENGTH_MAX] for link in links[:LINKS_KEPT_MAX]],
    )


def _is_word(part: str) -> bool:
    return any(character.isalnum() for character in part)


def _headings(tokens: Sequence[Token]) -> Iterator[Heading]:
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open":
            text = " ".join(_prose(content).split())
            yield Heading(level=int(opening.tag[1:]), text=text[:HEADING_LENGTH_MAX])


def _links(token: Token) -> Iterator[str]:
    for child in token.children or ():
        if child.type == "link_open":
            yield str(child.attrs["href"])


def _prose(token: Token) -> str:
    # Text follows text without a gap ("**bo**ld" is one word); only line ends separate.
    return "".join(_seen(child) for child in token.children or ())


def _seen(child: Token) -> str:
    match child.type:
        case "text" | "code_inline" | "text_special":
            return child.content
        case "softbreak" | "hardbreak":
            return "\n"
        case _:
            return ""
