-- What a new database looks like; equals the sum of the migrations (tested).
-- Instants are milliseconds since the epoch. payload and result are validated compact JSON text.
-- Names sort by their bytes ("C") whatever the locale of the database: ids are compared as text.
-- Every key and every busy index leads with the account, and no foreign key crosses tables, so
-- that the tables can be distributed by account; api_keys is small and may stand everywhere.

create table schema_migrations (
  number integer primary key,
  name text not null,
  applied_at bigint not null
);

create table accounts (
  id text collate "C" primary key,
  email text,
  plan text not null,
  plan_expires_at bigint,
  created_at bigint not null,
  cycle_started_at bigint not null,
  tasks_in_cycle bigint not null,
  creates_window_at bigint not null,
  creates_in_window bigint not null,
  claims_window_at bigint not null,
  claims_in_window bigint not null,
  -- Not more leases than these are alive; the store's own, counted anew when it gets too high.
  leases_at_most bigint not null default 0,
  require_lease_token integer not null default 0
) with (fillfactor = 70);

create table api_keys (
  hash bytea primary key,
  id text collate "C" not null unique,
  account_id text collate "C" not null,
  created_at bigint not null,
  revoked_at bigint
);

create table tasks (
  account_id text collate "C" not null,
  id text collate "C" not null,
  type text collate "C" not null,
  payload text not null,
  status text collate "C" not null,
  priority integer not null,
  scheduled_at bigint,
  attempt_count integer not null,
  max_attempts integer not null,
  lease_seconds integer not null,
  claimed_by text,
  claimed_at bigint,
  lease_expires_at bigint,
  last_heartbeat_at bigint,
  created_at bigint not null,
  updated_at bigint not null,
  completed_at bigint,
  last_failed_at bigint,
  last_failure_reason text,
  result text,
  output_id text,
  lease_token text,
  traceparent text,
  due_at bigint not null,
  given_back_by bytea,
  claim_key text collate "C",
  claim_digest bytea,
  release_count integer not null default 0,
  cancel_requested_at bigint
) with (
  -- The versions of a life lie on one page, and what one leaves the next may use.
  fillfactor = 70,
  -- Nothing but a large payload or result leaves the row.
  toast_tuple_target = 512,
  -- Every task is written three times or more: clean up after a hundredth of them, without pauses.
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_cost_delay = 0
);

-- Compressing 64 KB costs more than all else that happens to the task.
alter table tasks alter payload set storage external, alter result set storage external;

-- Plan for an account that owns nearly everything: the smallest ones take care of themselves.
alter table tasks alter account_id set (n_distinct = 1), alter type set (n_distinct = 1);

-- Of indexes that look alike, as all do while a table is small, PostgreSQL takes the one made last:
-- the order here is by how much depends on each.

-- Lists by type, newest first.
create index tasks_by_type on tasks (account_id, type, id);

alter table tasks add primary key (account_id, id);

-- Lists of what ended, newest first, and retention.
create index tasks_ended on tasks (account_id, status, id)
where status in ('completed', 'dead_letter', 'cancelled');

-- Lists of what waits, newest first.
create index tasks_pending on tasks (account_id, id)
where status = 'pending';

-- Leases: what is overdue, and how many are live.
create index tasks_leased on tasks (account_id, lease_expires_at)
where status = 'claimed';

-- Claims: the order of claiming within one type. What came back to the queue stands apart, for of
-- the others none is ever put before one that was there already.
create index tasks_claimable on tasks (account_id, type, priority desc, due_at, id)
where status = 'pending' and updated_at <= created_at;

create index tasks_returned on tasks (account_id, type, priority desc, due_at, id)
where status = 'pending' and updated_at > created_at;

-- Repeats of claims: what is held under a key.
create index tasks_claim_keys on tasks (account_id, claim_key)
where status = 'claimed' and claim_key is not null;

create table idempotency_keys (
  account_id text collate "C" not null,
  key text collate "C" not null,
  request_digest bytea not null,
  created_at bigint not null,
  first text not null
) with (toast_tuple_target = 512);

alter table idempotency_keys alter first set storage external;
alter table idempotency_keys alter account_id set (n_distinct = 1);

-- Retention of keys, account by account.
create index idempotency_keys_by_age on idempotency_keys (account_id, created_at);

alter table idempotency_keys add primary key (account_id, key);

create table request_counts (
  account_id text collate "C" not null,
  key_id text collate "C" not null,
  kind text collate "C" not null,
  window_at bigint not null,
  count bigint not null,
  primary key (account_id, key_id, kind)
) with (fillfactor = 70);

-- When workers last asked, one row per account: a JSON object of instants by type.
create table worker_asks (
  account_id text collate "C" primary key,
  asked text not null
) with (fillfactor = 70);

-- Purchases of plans, few enough to be everywhere: price_usd is a decimal, settle_at when a job looks what became of one.
create table purchases (
  account_id text collate "C" not null,
  id text collate "C" not null,
  plan_id text not null,
  price_usd text not null,
  stage text not null,
  order_id text collate "C",
  checkout_url text,
  created_at bigint not null,
  expires_at bigint not null,
  captures integer not null,
  capture_begun_at bigint,
  capture_id text collate "C",
  confirmed_at bigint,
  updated_at bigint not null,
  settle_at bigint
);

-- As with keys: a plan made for few rows must not take an account for one purchase.
alter table purchases alter account_id set (n_distinct = 1);

-- Who buys: the account's newest purchase.
create unique index purchases_newest on purchases (account_id, created_at);

-- What is told of orders; one order is of one purchase.
create unique index purchases_by_order on purchases (order_id);

-- Money counts once.
create unique index purchases_by_capture on purchases (capture_id);

-- What a job looks after.
create index purchases_unsettled on purchases (settle_at, id)
where settle_at is not null;

alter table purchases add primary key (account_id, id);

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
