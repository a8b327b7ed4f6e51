-- How many tasks there are by account, type and state, changed with the tasks themselves. What all
-- types have together stands at the type ''.
create table task_counts (
  account_id text not null references accounts (id),
  type text not null,
  pending integer not null,
  claimed integer not null,
  completed integer not null,
  dead_letter integer not null,
  cancelled integer not null,
  primary key (account_id, type)
) strict, without rowid;

-- What happened to tasks by account, type and minute, likewise; kept for an hour.
create table task_minutes (
  account_id text not null references accounts (id),
  minute_at integer not null,
  type text not null,
  created integer not null,
  claimed integer not null,
  completed integer not null,
  failed integer not null,
  dead_lettered integer not null,
  cancelled integer not null,
  primary key (account_id, minute_at, type)
) strict, without rowid;

-- Retention of minutes.
create index task_minutes_by_age on task_minutes (minute_at);

-- What is there is counted this once; from now on who changes a task counts it.
insert into task_counts (
  account_id, type, pending, claimed, completed, dead_letter, cancelled
)
select account_id, type,
  count(*) filter (where status = 'pending'), count(*) filter (where status = 'claimed'),
  count(*) filter (where status = 'completed'), count(*) filter (where status = 'dead_letter'),
  count(*) filter (where status = 'cancelled')
from tasks
group by account_id, type;

insert into task_counts (
  account_id, type, pending, claimed, completed, dead_letter, cancelled
)
select account_id, '', sum(pending), sum(claimed), sum(completed), sum(dead_letter), sum(cancelled)
from task_counts
group by account_id;
