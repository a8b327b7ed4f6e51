-- The record of the copy that a database was made by; made by the copy itself.

-- name: make
create table if not exists copies (
  id integer primary key check (id = 1),
  file text not null,
  sums text not null,
  verified_at bigint
);

-- name: exists
select to_regclass('copies') is not null;

-- name: load
select file, sums, verified_at from copies;

-- name: begin
insert into copies (id, file, sums) values (1, $1, $2) on conflict do nothing;

-- name: lock
-- One copy at a time adds rows, and the one that was killed has ended before the next looks.
select file, sums, verified_at from copies for update;

-- name: verify
update copies set verified_at = $1;

-- name: servers
-- Sessions by these names. Everybody may see the names, but not what others' sessions do. A session
-- of a pooler keeps the name of whoever had it last, so that one counts if it did something since
-- the transaction began.
select application_name = $2 as lent,
  state is distinct from 'idle' or state_change > now() as busy
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
  and (application_name = any($1::text[]) or application_name = $2);

-- name: look_again
-- Within a transaction PostgreSQL shows the same sessions for ever.
select pg_stat_clear_snapshot();
