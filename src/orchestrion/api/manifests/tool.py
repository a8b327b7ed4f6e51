"""What a tool is: one row of the table that the manifest derives from."""

import msgspec


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """One row; the schemas are derived. A tool of several operations takes the first that fits."""

    name: str
    title: str
    description: str
    operations: tuple[str, ...] = ()
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False
    # What the operation leaves optional and an agent must not leave out.
    needs: tuple[str, ...] = ()

    @property
    def routes(self) -> tuple[str, ...]:
        """The operations it stands for: that of its own name unless others are given."""
        return self.operations or (self.name,)
