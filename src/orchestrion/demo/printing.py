"""Makes numbers and foreign text fit for people and their terminals."""


def printable(text: str) -> str:
    """Replace what is no text or would steer a terminal; blanks stay."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def counted(number: int, noun: str) -> str:
    """Say how many there are."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
