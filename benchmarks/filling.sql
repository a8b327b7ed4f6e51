-- Fills databases for benchmarks: many rows by one statement.

-- name: insert_many
-- Ids and lease tokens count up from :first, so that a load generator can name them.
with recursive numbers (number) as (
  select :first + 1
  union all
  select number + 1 from numbers where number < :first + :count
)
insert into tasks (account_id, id, type, payload, status, priority, scheduled_at, attempt_count,
  max_attempts, lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at,
  created_at, updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id,
  lease_token, traceparent, due_at)
select :account_id, printf('tsk_%026d', number), 'bench', :payload, :status, :priority,
  :scheduled_at, :attempts, 3, 300, :claimed_by, :claimed_at, :lease_expires_at, null,
  :now - :count - :first + number, :now - :count - :first + number, :completed_at, null, null,
  :result, null, iif(:attempts, printf('lse_%034d', number), null), null,
  coalesce(:scheduled_at, :now - :count - :first + number)
from numbers;
