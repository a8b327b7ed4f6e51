-- The tables in the order of their keys, a page at a time; one text for both databases, so what is
-- copied is what is compared. leases_at_most is PostgreSQL's alone and counted there.

-- name: accounts
-- Rides on the primary key.
select id, email, plan, plan_expires_at, created_at, cycle_started_at, tasks_in_cycle,
  creates_window_at, creates_in_window, claims_window_at, claims_in_window, require_lease_token
from accounts
where id > $1
order by id
limit $2;

-- name: api_keys
-- Rides on the primary key.
select hash, id, account_id, created_at, revoked_at
from api_keys
where hash > $1
order by hash
limit $2;

-- name: tasks
-- Rides on the primary key.
select account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent, due_at, given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where (account_id, id) > ($1, $2)
order by account_id, id
limit $3;

-- name: idempotency_keys
-- Rides on the primary key.
select account_id, key, request_digest, created_at, first
from idempotency_keys
where (account_id, key) > ($1, $2)
order by account_id, key
limit $3;

-- name: request_counts
-- Rides on the primary key.
select account_id, key_id, kind, window_at, count
from request_counts
where (account_id, key_id, kind) > ($1, $2, $3)
order by account_id, key_id, kind
limit $4;

-- name: worker_asks
-- Rides on the primary key.
select account_id, asked
from worker_asks
where account_id > $1
order by account_id
limit $2;

-- name: purchases
-- Rides on the primary key.
select account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
  captures, capture_begun_at, capture_id, confirmed_at, updated_at, settle_at
from purchases
where (account_id, id) > ($1, $2)
order by account_id, id
limit $3;

-- name: task_counts
-- Rides on the primary key.
select account_id, type, pending, claimed, completed, dead_letter, cancelled
from task_counts
where (account_id, type) > ($1, $2)
order by account_id, type
limit $3;

-- name: task_minutes
-- Rides on the primary key.
select account_id, type, minute_at, created, claimed, completed, failed, dead_lettered, cancelled
from task_minutes
where (account_id, type, minute_at) > ($1, $2, $3)
order by account_id, type, minute_at
limit $4;

-- name: last_of_accounts
-- Rides on the primary key.
select id from accounts order by id desc limit 1;

-- name: last_of_api_keys
-- Rides on the primary key.
select hash from api_keys order by hash desc limit 1;

-- name: last_of_tasks
-- Rides on the primary key.
select account_id, id from tasks order by account_id desc, id desc limit 1;

-- name: last_of_idempotency_keys
-- Rides on the primary key.
select account_id, key from idempotency_keys order by account_id desc, key desc limit 1;

-- name: last_of_request_counts
-- Rides on the primary key.
select account_id, key_id, kind
from request_counts
order by account_id desc, key_id desc, kind desc
limit 1;

-- name: last_of_worker_asks
-- Rides on the primary key.
select account_id from worker_asks order by account_id desc limit 1;

-- name: last_of_purchases
-- Rides on the primary key.
select account_id, id from purchases order by account_id desc, id desc limit 1;

-- name: last_of_task_counts
-- Rides on the primary key.
select account_id, type from task_counts order by account_id desc, type desc limit 1;

-- name: last_of_task_minutes
-- Rides on the primary key.
select account_id, type, minute_at
from task_minutes
order by account_id desc, type desc, minute_at desc
limit 1;

-- name: count_rows
-- Reads one index of each table.
select (select count(*) from accounts) + (select count(*) from api_keys)
  + (select count(*) from tasks) + (select count(*) from idempotency_keys)
  + (select count(*) from request_counts) + (select count(*) from worker_asks)
  + (select count(*) from purchases) + (select count(*) from task_counts)
  + (select count(*) from task_minutes);

-- name: load_mark
-- The latest instant that a server promised anything at; in the file alone.
select instant from marks where name = $1;

-- name: count_leases
-- Rides on tasks_leased; in PostgreSQL alone. No more leases are alive than tasks are claimed.
update accounts
set leases_at_most = leased.count
from (
  select account_id, count(*) as count from tasks where status = 'claimed' group by account_id
) as leased
where accounts.id = leased.account_id and accounts.leases_at_most <> leased.count;

-- name: analyze
analyze accounts, api_keys, tasks, idempotency_keys, request_counts, purchases,
  task_counts, task_minutes;
