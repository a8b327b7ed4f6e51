-- When workers last asked, one row per account: a JSON object of instants by type.
create table worker_asks (
  account_id text collate "C" primary key,
  asked text not null
) with (fillfactor = 70);
