"""Migrations of a version that does not exist, for old and new ones side by side."""

from orchestrion.store.migrate import Migration
from orchestrion.store.postgres.migrating import KNOWN

ADDING = Migration(
    number=KNOWN[-1].number + 1,
    name="0900_pre_note.sql",
    sql="alter table accounts add column note text; update accounts set note = '';"
    "alter table tasks add column note text; alter table api_keys add column note text;",
)
TAKING = Migration(
    number=ADDING.number + 1,
    name="0901_post_note.sql",
    sql="alter table accounts drop column note; alter table tasks drop column note;"
    "alter table api_keys drop column note;",
)
OLD = KNOWN
NEW = (*KNOWN, ADDING, TAKING)
