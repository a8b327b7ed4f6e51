-- When workers last asked, one row per account: a JSON object of instants by type.
create table worker_asks (
  account_id text primary key references accounts (id),
  asked text not null
) strict;
