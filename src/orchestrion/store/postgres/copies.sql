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
