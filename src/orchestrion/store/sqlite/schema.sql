-- What a new database looks like; equals the sum of the migrations (tested).
-- Instants are milliseconds since the epoch. payload and result are validated compact JSON text.

create table schema_migrations (
  number integer primary key,
  name text not null,
  applied_at integer not null
) strict;

create table marks (
  name text primary key,
  instant integer not null
) strict, without rowid;

create table accounts (
  id text primary key,
  email text,
  plan text not null,
  plan_expires_at integer,
  created_at integer not null,
  cycle_started_at integer not null,
  tasks_in_cycle integer not null,
  creates_window_at integer not null,
  creates_in_window integer not null,
  claims_window_at integer not null,
  claims_in_window integer not null,
  require_lease_token integer not null default 0
) strict, without rowid;

create table api_keys (
  hash blob primary key,
  id text not null unique,
  account_id text not null references accounts (id),
  created_at integer not null,
  revoked_at integer
) strict, without rowid;

create table tasks (
  account_id text not null references accounts (id),
  id text not null,
  type text not null,
  payload text not null,
  status text not null,
  priority integer not null,
  scheduled_at integer,
  attempt_count integer not null,
  max_attempts integer not null,
  lease_seconds integer not null,
  claimed_by text,
  claimed_at integer,
  lease_expires_at integer,
  last_heartbeat_at integer,
  created_at integer not null,
  updated_at integer not null,
  completed_at integer,
  last_failed_at integer,
  last_failure_reason text,
  result text,
  output_id text,
  lease_token text,
  traceparent text,
  due_at integer not null,
  given_back_by blob,
  claim_key text,
  claim_digest blob,
  release_count integer not null default 0,
  cancel_requested_at integer,
  primary key (account_id, id)
) strict;

-- Claims: the order of claiming within one type.
create index tasks_claimable on tasks (account_id, type, priority desc, due_at, id)
where status = 'pending';

-- Leases: what is overdue, and how many are live.
create index tasks_leased on tasks (account_id, lease_expires_at)
where status = 'claimed';

-- Lists of what waits, newest first.
create index tasks_pending on tasks (account_id, id)
where status = 'pending';

-- Lists of what ended, newest first, and retention. An `in` of three values would be looked up in
-- a table made anew for every row written: three comparisons cost a quarter.
create index tasks_ended on tasks (account_id, status, id)
where status = 'completed' or status = 'dead_letter' or status = 'cancelled';

-- Lists by type, newest first.
create index tasks_by_type on tasks (account_id, type, id);

-- Repeats of claims: what is held under a key.
create index tasks_claim_keys on tasks (account_id, claim_key)
where status = 'claimed' and claim_key is not null;

create table idempotency_keys (
  account_id text not null references accounts (id),
  key text not null,
  request_digest blob not null,
  created_at integer not null,
  first text not null,
  primary key (account_id, key)
) strict;

create index idempotency_keys_by_age on idempotency_keys (created_at);

create table request_counts (
  account_id text not null references accounts (id),
  key_id text not null,
  kind text not null,
  window_at integer not null,
  count integer not null,
  primary key (account_id, key_id, kind)
) strict, without rowid;

-- When workers last asked, one row per account: a JSON object of instants by type.
create table worker_asks (
  account_id text primary key references accounts (id),
  asked text not null
) strict;

-- Purchases of plans; price_usd is a decimal, settle_at when a job looks what became of one.
create table purchases (
  account_id text not null references accounts (id),
  id text not null,
  plan_id text not null,
  price_usd text not null,
  stage text not null,
  order_id text,
  checkout_url text,
  created_at integer not null,
  expires_at integer not null,
  captures integer not null,
  capture_begun_at integer,
  capture_id text,
  confirmed_at integer,
  updated_at integer not null,
  settle_at integer,
  primary key (account_id, id)
) strict, without rowid;

-- Who buys: the account's newest purchase.
create unique index purchases_newest on purchases (account_id, created_at);

-- What is told of orders; one order is of one purchase.
create unique index purchases_by_order on purchases (order_id);

-- Money counts once.
create unique index purchases_by_capture on purchases (capture_id);

-- What a job looks after.
create index purchases_unsettled on purchases (settle_at, id)
where settle_at is not null;

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
