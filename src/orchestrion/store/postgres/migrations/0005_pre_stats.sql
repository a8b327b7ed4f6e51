-- How many tasks there are by account, type and state, changed with the tasks themselves. What all
-- types have together stands at the type ''.
create table task_counts (
  account_id text collate "C" not null,
  type text collate "C" not null,
  pending bigint not null,
  claimed bigint not null,
  completed bigint not null,
  dead_letter bigint not null,
  cancelled bigint not null,
  primary key (account_id, type)
) with (fillfactor = 50);

-- What happened to tasks by account, type and minute, likewise; kept for an hour.
create table task_minutes (
  account_id text collate "C" not null,
  minute_at bigint not null,
  type text collate "C" not null,
  created bigint not null,
  claimed bigint not null,
  completed bigint not null,
  failed bigint not null,
  dead_lettered bigint not null,
  cancelled bigint not null,
  primary key (account_id, minute_at, type)
) with (fillfactor = 50);

-- What is there is counted; what servers of the version before change from now on, 0006 adds.
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
