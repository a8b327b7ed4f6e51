-- Loads and saves of the embedded store. Task columns stand in the order of core.task.Task.

-- name: load_mark
-- Rides on the primary key of marks.
select instant from marks where name = :name;

-- name: save_mark
-- Rides on the primary key of marks.
insert into marks (name, instant) values (?1, ?2)
on conflict (name) do update set instant = excluded.instant;

-- name: load_account
-- Rides on the primary key of accounts.
select id, email, plan, plan_expires_at, created_at, cycle_started_at, tasks_in_cycle,
  creates_window_at, creates_in_window, claims_window_at, claims_in_window
from accounts
where id = :account_id;

-- name: insert_account
insert into accounts (id, email, plan, plan_expires_at, created_at, cycle_started_at,
  tasks_in_cycle, creates_window_at, creates_in_window, claims_window_at, claims_in_window)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11);

-- name: save_account
-- Rides on the primary key of accounts.
update accounts
set plan = ?2, plan_expires_at = ?3, cycle_started_at = ?4, tasks_in_cycle = ?5,
  creates_window_at = ?6, creates_in_window = ?7, claims_window_at = ?8, claims_in_window = ?9
where id = ?1;

-- name: set_account
-- Rides on the primary key of accounts.
update accounts set require_lease_token = ?2 where id = ?1;

-- name: insert_key
insert into api_keys (hash, id, account_id, created_at) values (?1, ?2, ?3, ?4);

-- name: load_principal
-- Rides on the primary key of api_keys.
select api_keys.account_id, api_keys.id, accounts.plan, accounts.plan_expires_at,
  accounts.require_lease_token
from api_keys join accounts on accounts.id = api_keys.account_id
where api_keys.hash = :hash and api_keys.revoked_at is null;

-- name: list_keys
select id, account_id, created_at, revoked_at from api_keys order by id;

-- name: revoke_key
-- Rides on the unique index of api_keys.id.
update api_keys set revoked_at = :now where id = :id and revoked_at is null;

-- name: any_key
select 1 from api_keys limit 1;

-- name: load_task
-- Rides on the primary key of tasks.
select account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = ?1 and id = ?2;

-- name: next_priority
-- Rides on tasks_claimable: one probe per distinct priority, whatever is scheduled for later.
select max(priority)
from tasks
where account_id = :account_id and type = :type and status = 'pending' and priority < :below;

-- name: load_claimable
-- Rides on tasks_claimable, which gives the order.
select account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = :account_id and type = :type and status = 'pending'
  and priority = :priority and due_at <= :now
order by due_at, id
limit :limit;

-- name: load_overdue
-- Rides on tasks_leased: as many rows as are overdue, which the sweeper keeps few.
select account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = :account_id and status = 'claimed' and lease_expires_at <= :now
  and type = :type
order by priority desc, due_at, id
limit :limit;

-- name: count_live_leases
-- Rides on tasks_leased and stops at the limit.
select count(*)
from (
  select 1
  from tasks
  where account_id = :account_id and status = 'claimed' and lease_expires_at > :now
  limit :limit
);

-- name: first_lease_end
-- Rides on tasks_leased.
select min(lease_expires_at)
from tasks
where account_id = :account_id and status = 'claimed' and lease_expires_at > :now;

-- name: insert_task
insert into tasks (
  account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id,
  lease_token, traceparent, given_back_by, claim_key, claim_digest, release_count,
  cancel_requested_at, due_at
)
values (
  ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
  ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29
);

-- name: save_task
-- Rides on the primary key of tasks. What never changes after creation is left alone.
update tasks
set
  status = ?3, scheduled_at = ?4, due_at = ?5, attempt_count = ?6, claimed_by = ?7,
  claimed_at = ?8, lease_expires_at = ?9, last_heartbeat_at = ?10, updated_at = ?11,
  completed_at = ?12, last_failed_at = ?13, last_failure_reason = ?14, result = ?15,
  output_id = ?16, lease_token = ?17, given_back_by = ?18, claim_key = ?19,
  claim_digest = ?20, release_count = ?21, cancel_requested_at = ?22
where account_id = ?1 and id = ?2;

-- name: delete_task
-- Rides on the primary key of tasks.
delete from tasks where account_id = ?1 and id = ?2;

-- name: load_idempotency
-- Rides on the primary key of idempotency_keys.
select account_id, key, request_digest, created_at, first
from idempotency_keys
where account_id = ?1 and key = ?2;

-- name: save_idempotency
-- Rides on the primary key of idempotency_keys; a key whose life is over is taken anew.
insert into idempotency_keys (account_id, key, request_digest, created_at, first)
values (?1, ?2, ?3, ?4, ?5)
on conflict (account_id, key) do update
set request_digest = excluded.request_digest, created_at = excluded.created_at,
  first = excluded.first;

-- name: delete_idempotency
-- Rides on the primary key of idempotency_keys.
delete from idempotency_keys where account_id = ?1 and key = ?2;

-- name: load_claim_keys
-- Rides on tasks_claim_keys and sorts: the latest leases come first, so that those that live are
-- surely among them. Left to itself, SQLite would walk through every lease by its end.
select account_id, claim_key, id
from tasks indexed by tasks_claim_keys
where account_id = ?1 and claim_key = ?2 and status = 'claimed'
order by lease_expires_at desc
limit ?3;

-- name: load_request_counts
select account_id, key_id, kind, window_at, count from request_counts where window_at > :since;

-- name: load_request_count
-- Rides on the primary key of request_counts.
select account_id, key_id, kind, window_at, count
from request_counts
where account_id = ?1 and key_id = ?2 and kind = ?3;

-- name: save_request_count
-- Rides on the primary key of request_counts.
insert into request_counts (account_id, key_id, kind, window_at, count)
values (?1, ?2, ?3, ?4, ?5)
on conflict (account_id, key_id, kind) do update
set window_at = excluded.window_at, count = excluded.count;

-- name: load_asks
-- Rides on the primary key of worker_asks.
select account_id, asked from worker_asks where account_id = ?1;

-- name: save_asks
-- Rides on the primary key of worker_asks.
insert into worker_asks (account_id, asked) values (?1, ?2)
on conflict (account_id) do update set asked = excluded.asked;

-- name: list_page
-- Rides on the primary key of tasks.
select account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = :account_id and id < :before
  and (:status is null or status = :status)
  and (:type is null or type = :type)
  and (:claimed_by is null or claimed_by = :claimed_by)
order by id desc
limit :limit;

-- name: list_page_pending
-- Rides on tasks_pending.
select account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = :account_id and status = 'pending' and id < :before
  and (:type is null or type = :type)
  and (:claimed_by is null or claimed_by = :claimed_by)
order by id desc
limit :limit;

-- name: list_page_claimed
-- Rides on tasks_leased and sorts: as many rows as there are leases. Left to itself, SQLite would
-- walk through every task by id.
select account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks indexed by tasks_leased
where account_id = :account_id and status = 'claimed' and id < :before
  and (:type is null or type = :type)
  and (:claimed_by is null or claimed_by = :claimed_by)
order by id desc
limit :limit;

-- name: list_page_ended
-- Rides on tasks_ended, whose condition stands here word for word.
select account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = :account_id and status = :status
  and (status = 'completed' or status = 'dead_letter' or status = 'cancelled')
  and id < :before
  and (:type is null or type = :type)
  and (:claimed_by is null or claimed_by = :claimed_by)
order by id desc
limit :limit;

-- name: list_page_by_type
-- Rides on tasks_by_type.
select account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = :account_id and type = :type and id < :before
  and (:status is null or status = :status)
  and (:claimed_by is null or claimed_by = :claimed_by)
order by id desc
limit :limit;

-- name: next_overdue_account
-- Rides on tasks_leased: the next account that has a lease at all.
select min(account_id) from tasks where status = 'claimed' and account_id > :after;

-- name: list_overdue
-- Rides on tasks_leased.
select account_id, id
from tasks
where account_id = :account_id and status = 'claimed' and lease_expires_at <= :now
order by lease_expires_at
limit :limit;

-- name: next_ended_account
-- Rides on tasks_ended: the next account that has a task that ended.
select min(account_id)
from tasks
where (status = 'completed' or status = 'dead_letter' or status = 'cancelled') and account_id > :after;

-- name: list_ended
-- Rides on tasks_ended: what was created before the cutoff, of which nearly all ended before it.
select id
from tasks
where account_id = :account_id and status = :status
  and (status = 'completed' or status = 'dead_letter' or status = 'cancelled')
  and id < :before and updated_at <= :cutoff
order by id
limit :limit;

-- name: list_idempotency_before
-- Rides on idempotency_keys_by_age.
select account_id, key from idempotency_keys where created_at <= :cutoff order by created_at
limit :limit;

-- name: load_state
select page_count * page_size as size_bytes from pragma_page_count(), pragma_page_size();

-- name: count_by_status
-- Reads every row's status; asked every few seconds at most, never per request.
select status, count(*) from tasks group by status;

-- name: any_of_type
-- Rides on tasks_by_type.
select 1 from tasks where account_id = :account_id and type = :type limit 1;

-- name: count_due
-- Rides on tasks_claimable and stops at the limit.
select count(*)
from (
  select 1
  from tasks
  where account_id = :account_id and type = :type and status = 'pending'
    and priority = :priority and due_at <= :now
  limit :limit
);

-- name: count_scheduled
-- Rides on tasks_claimable and stops at the limit.
select count(*)
from (
  select 1
  from tasks
  where account_id = :account_id and type = :type and status = 'pending'
    and priority = :priority and due_at > :now
  limit :limit
);

-- name: list_leases
-- Rides on tasks_leased: the first to end, of any type, up to the limit.
select type, lease_expires_at, attempt_count, max_attempts, cancel_requested_at
from tasks
where account_id = :account_id and status = 'claimed'
order by lease_expires_at
limit :limit;

-- name: next_type
-- Rides on tasks_by_type: one probe per type, however many tasks there are.
select min(type) from tasks where account_id = :account_id and type > :after;

-- name: next_due
-- Rides on tasks_claimable: one probe.
select min(due_at)
from tasks
where account_id = :account_id and type = :type and status = 'pending' and priority = :priority;

-- name: next_lease_ends
-- Rides on tasks_leased: no more rows than the limit.
select type, lease_expires_at
from tasks
where account_id = :account_id and status = 'claimed' and lease_expires_at <= :until
order by lease_expires_at
limit :limit;

-- name: count_before
-- Rides on tasks_claimable and stops at the limit.
select count(*)
from (
  select 1
  from tasks
  where account_id = :account_id and type = :type and status = 'pending'
    and priority = :priority and (due_at, id) < (:due_at, :id)
  limit :limit
);

-- name: load_mark_of_task
-- Rides on the primary key of tasks.
select id, status, attempt_count, updated_at, cancel_requested_at
from tasks
where account_id = ?1 and id = ?2;

-- name: load_purchase
-- Rides on the primary key of purchases.
select account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
  captures, capture_begun_at, capture_id, confirmed_at, updated_at
from purchases
where account_id = ?1 and id = ?2;

-- name: load_newest_purchase
-- Rides on purchases_newest.
select account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
  captures, capture_begun_at, capture_id, confirmed_at, updated_at
from purchases
where account_id = ?1
order by created_at desc
limit 1;

-- name: load_purchase_of_order
-- Rides on purchases_by_order.
select account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
  captures, capture_begun_at, capture_id, confirmed_at, updated_at
from purchases
where order_id = ?1;

-- name: insert_purchase
insert into purchases (
  account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
  captures, capture_begun_at, capture_id, confirmed_at, updated_at, settle_at
)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15);

-- name: save_purchase
-- Rides on the primary key of purchases. What never changes after creation is left alone.
update purchases
set
  stage = ?3, order_id = ?4, checkout_url = ?5, captures = ?6, capture_begun_at = ?7,
  capture_id = ?8, confirmed_at = ?9, updated_at = ?10, settle_at = ?11
where account_id = ?1 and id = ?2;

-- name: list_unsettled_purchases
-- Rides on purchases_unsettled.
select account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
  captures, capture_begun_at, capture_id, confirmed_at, updated_at
from purchases
where settle_at <= :now and (settle_at, id) > (:settle_at, :id)
order by settle_at, id
limit :limit;

-- name: add_counts
-- Rides on the primary key of task_counts.
insert into task_counts (account_id, type, pending, claimed, completed, dead_letter, cancelled)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
on conflict (account_id, type) do update
set pending = pending + excluded.pending, claimed = claimed + excluded.claimed,
  completed = completed + excluded.completed, dead_letter = dead_letter + excluded.dead_letter,
  cancelled = cancelled + excluded.cancelled;

-- name: add_minutes
-- Rides on the primary key of task_minutes.
insert into task_minutes (
  account_id, minute_at, type, created, claimed, completed, failed, dead_lettered, cancelled
)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
on conflict (account_id, minute_at, type) do update
set created = created + excluded.created, claimed = claimed + excluded.claimed,
  completed = completed + excluded.completed, failed = failed + excluded.failed,
  dead_lettered = dead_lettered + excluded.dead_lettered,
  cancelled = cancelled + excluded.cancelled;

-- name: delete_minute
-- Rides on the primary key of task_minutes.
delete from task_minutes where account_id = ?1 and type = ?2 and minute_at = ?3;

-- name: delete_idle_type
-- Rides on the primary key of task_counts; spares what has tasks again.
delete from task_counts
where account_id = ?1 and type = ?2
  and pending = 0 and claimed = 0 and completed = 0 and dead_letter = 0 and cancelled = 0;

-- name: load_task_counts
-- Rides on the primary key of task_counts: what all types have together comes first.
select type, pending, claimed, completed, dead_letter, cancelled
from task_counts
where account_id = :account_id
order by type
limit :limit;

-- name: load_task_minutes
-- Rides on the primary key of task_minutes, once for each minute and type.
select type, minute_at, created, claimed, completed, failed, dead_lettered, cancelled
from task_minutes
where account_id = ?1 and minute_at = ?2 and type = ?3;

-- name: oldest_pending
-- Rides on tasks_pending, whose first row is the oldest: ids tell when a task was created.
select created_at
from tasks
where account_id = :account_id and status = 'pending'
order by id
limit 1;

-- name: list_minutes_before
-- Rides on task_minutes_by_age.
select account_id, type, minute_at from task_minutes where minute_at <= :cutoff order by minute_at
limit :limit;

-- name: list_idle_types
-- Rides on the primary key of task_counts: as many rows as the account has types.
select type
from task_counts
where account_id = :account_id
  and pending = 0 and claimed = 0 and completed = 0 and dead_letter = 0 and cancelled = 0
limit :limit;
