-- Loads and saves of the shared store. Task columns stand in the order of core.task.Task.
-- Rows are locked in one order everywhere: accounts, remembered creates, counters, tasks by id.
-- What only one account's rows are asked for names it as a constant: a database distributed by
-- account locks rows in no other way.
-- Rows to change are found by `any (array[…])` and `between`: an index follows these, and no join goes
-- the other way round. By equality, a plan that was made for a small table reads all of it.

-- name: lock_account
-- Rides on the primary key of accounts. The lock makes quotas exact across servers.
select id, email, plan, plan_expires_at, created_at, cycle_started_at, tasks_in_cycle,
  creates_window_at, creates_in_window, claims_window_at, claims_in_window, leases_at_most
from accounts
where id = $1
for no key update;

-- name: lock_accounts
-- Rides on the primary key of accounts, once for each: a join could be turned round, and read them
-- all, by a plan that was made while there were few.
select kept.*
from (
  select id from unnest($1::text[]) as named (id) order by id collate "C"
) as asked cross join lateral (
  select id, email, plan, plan_expires_at, created_at, cycle_started_at, tasks_in_cycle,
    creates_window_at, creates_in_window, claims_window_at, claims_in_window, leases_at_most
  from accounts
  where id = asked.id
  for no key update
) as kept;

-- name: load_account
-- Rides on the primary key of accounts.
select id, email, plan, plan_expires_at, created_at, cycle_started_at, tasks_in_cycle,
  creates_window_at, creates_in_window, claims_window_at, claims_in_window
from accounts
where id = $1;

-- name: lock_idempotency
-- Rides on the primary key of idempotency_keys, once for each. The lock keeps a purge off a key
-- taken anew.
select kept.*
from (
  select key from unnest($2::text[]) as named (key) order by key collate "C"
) as asked cross join lateral (
  select account_id, key, request_digest, created_at, first
  from idempotency_keys
  where account_id = $1 and key = asked.key
  for update
) as kept;

-- name: lock_idempotency_of_many
-- Rides on the primary key of idempotency_keys, once for each.
select kept.*
from (
  select account_id, key
  from unnest($1::text[], $2::text[]) as named (account_id, key)
  order by account_id collate "C", key collate "C"
) as asked cross join lateral (
  select account_id, key, request_digest, created_at, first
  from idempotency_keys
  where account_id = asked.account_id and key = asked.key
  for update
) as kept;

-- name: find_claim_keys
-- Rides on tasks_claim_keys, once for each. Locks nothing: who holds the account's lock claims, and
-- the tasks found are locked with the others. The latest leases come first: those that live are
-- surely among them. Without the offset a plan would walk through every lease by its end.
select kept.*
from unnest($3::text[]) as asked (key) cross join lateral (
  select account_id, claim_key, id
  from (
    select account_id, claim_key, id, lease_expires_at
    from tasks
    where account_id = $2 and claim_key = asked.key and status = 'claimed'
    offset 0
  ) as held
  order by lease_expires_at desc
  limit $1
) as kept;

-- name: find_claim_keys_of_many
-- Rides on tasks_claim_keys, once for each.
select kept.*
from unnest($2::text[], $3::text[]) as asked (account_id, key) cross join lateral (
  select account_id, claim_key, id
  from (
    select account_id, claim_key, id, lease_expires_at
    from tasks
    where account_id = asked.account_id and claim_key = asked.key and status = 'claimed'
    offset 0
  ) as held
  order by lease_expires_at desc
  limit $1
) as kept;

-- name: lock_request_counts
-- Rides on the primary key of request_counts. A counter that is not there cannot be locked, so two
-- servers would each begin it and the later one win: it is put there, its window long over.
insert into request_counts (account_id, key_id, kind, window_at, count)
select account_id, key_id, kind, 0, 0
from unnest($1::text[], $2::text[], $3::text[]) as asked (account_id, key_id, kind)
order by account_id, key_id, kind
on conflict (account_id, key_id, kind) do update
set count = request_counts.count
returning account_id, key_id, kind, window_at, count;

-- name: lock_tasks
-- Rides on the primary key of tasks, once for each. Time is read once every row is locked: counting
-- them all comes first.
with locked as materialized (
  select kept.*
  from (
    select id from unnest($3::text[]) as named (id) order by id collate "C"
  ) as asked cross join lateral (
    select account_id, id, type, payload, status, priority, scheduled_at, attempt_count,
      max_attempts, lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at,
      created_at, updated_at, completed_at, last_failed_at, last_failure_reason, result,
      output_id, lease_token, traceparent,
      given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
    from tasks
    where account_id = $2 and id = asked.id
    for update
  ) as kept
), moment as materialized (
  select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now
  from (select count(*) from locked) as locked_all
)
select moment.now, locked.*
from moment left join locked on true;

-- name: lock_tasks_of_many
-- Rides on the primary key of tasks, once for each; time as above.
with locked as materialized (
  select kept.*
  from (
    select account_id, id
    from unnest($2::text[], $3::text[]) as named (account_id, id)
    order by account_id collate "C", id collate "C"
  ) as asked cross join lateral (
    select account_id, id, type, payload, status, priority, scheduled_at, attempt_count,
      max_attempts, lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at,
      created_at, updated_at, completed_at, last_failed_at, last_failure_reason, result,
      output_id, lease_token, traceparent,
      given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
    from tasks
    where account_id = asked.account_id and id = asked.id
    for update
  ) as kept
), moment as materialized (
  select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now
  from (select count(*) from locked) as locked_all
)
select moment.now, locked.*
from moment left join locked on true;

-- name: read_moment
select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now;

-- name: load_claimable
-- Rides on tasks_claimable and, for what came back to the queue, on tasks_returned, which give the
-- order, by one probe per distinct priority, whatever is scheduled for later; and on tasks_leased
-- for what is overdue, which the sweeper keeps few. Priorities that are known begin at a due time,
-- and the others are looked for between them. What is due is judged by a time of its own: the
-- batch's is read when these rows are locked too.
with recursive fresh (priority) as (
  select (
    select coalesce(
      (
        select priority from tasks
        where account_id = $1 and type = $2 and status = 'pending' and updated_at <= created_at
          and priority < 2147483647 and priority > coalesce(known.priority, -1)
        order by priority desc
        limit 1
      ),
      known.priority
    )
    from (
      select max(known.priority) as priority
      from unnest($6::int[], $7::bigint[]) as known (priority, due_at)
      where known.priority < 2147483647
    ) as known
  )
  union all
  select (
    select coalesce(
      (
        select priority from tasks
        where account_id = $1 and type = $2 and status = 'pending' and updated_at <= created_at
          and priority < fresh.priority and priority > coalesce(known.priority, -1)
        order by priority desc
        limit 1
      ),
      known.priority
    )
    from (
      select max(known.priority) as priority
      from unnest($6::int[], $7::bigint[]) as known (priority, due_at)
      where known.priority < fresh.priority
    ) as known
  )
  from fresh where fresh.priority is not null
), returned (priority) as (
  select (
    select priority from tasks
    where account_id = $1 and type = $2 and status = 'pending' and updated_at > created_at
    order by priority desc
    limit 1
  )
  union all
  select (
    select priority from tasks
    where account_id = $1 and type = $2 and status = 'pending' and updated_at > created_at
      and priority < returned.priority
    order by priority desc
    limit 1
  )
  from returned where returned.priority is not null
)
(
  select false as overdue, ready.*
  from fresh cross join lateral (
    select coalesce(max(known.due_at), 0) as due_at
    from unnest($6::int[], $7::bigint[]) as known (priority, due_at)
    where known.priority = fresh.priority
  ) as front cross join lateral (
    select account_id, id, type, payload, status, priority, scheduled_at, attempt_count,
      max_attempts, lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at,
      created_at, updated_at, completed_at, last_failed_at, last_failure_reason, result,
      output_id, lease_token, traceparent,
      given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
    from tasks
    where account_id = $1 and type = $2 and status = 'pending' and updated_at <= created_at
      and priority = fresh.priority and due_at >= front.due_at
      and due_at <= (
        select coalesce($3::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
      )
    order by due_at, id
    limit $4
    for update skip locked
  ) as ready
  limit $4
)
union all
(
  select false as overdue, ready.*
  from returned cross join lateral (
    select account_id, id, type, payload, status, priority, scheduled_at, attempt_count,
      max_attempts, lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at,
      created_at, updated_at, completed_at, last_failed_at, last_failure_reason, result,
      output_id, lease_token, traceparent,
      given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
    from tasks
    where account_id = $1 and type = $2 and status = 'pending' and updated_at > created_at
      and priority = returned.priority
      and due_at <= (
        select coalesce($3::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
      )
    order by due_at, id
    limit $4
    for update skip locked
  ) as ready
  limit $4
)
union all
(
  select true as overdue, ended.*
  from (
    select account_id, id, type, payload, status, priority, scheduled_at, attempt_count,
      max_attempts, lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at,
      created_at, updated_at, completed_at, last_failed_at, last_failure_reason, result,
      output_id, lease_token, traceparent,
      given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
    from tasks
    where account_id = $1 and type = $2 and status = 'claimed' and lease_expires_at > $8
      and lease_expires_at <= (
        select coalesce($3::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
      )
    order by priority desc, due_at, id
    limit $5
    for update skip locked
  ) as ended
);

-- name: load_claimable_of_many
-- Rides on tasks_claimable, tasks_returned and tasks_leased: the same for several types at once.
select asked.place, found.*
from unnest($1::text[], $2::text[], $4::int[], $5::int[], $6::bigint[])
  with ordinality as asked (account_id, type, pending, overdue, ended_after, place)
cross join lateral (
  with recursive fresh (priority) as (
    select (
      select coalesce(
        (
          select priority from tasks
          where account_id = asked.account_id and type = asked.type and status = 'pending' and updated_at <= created_at
            and priority < 2147483647 and priority > coalesce(known.priority, -1)
          order by priority desc
          limit 1
        ),
        known.priority
      )
      from (
        select max(known.priority) as priority
        from unnest($7::bigint[], $8::int[], $9::bigint[]) as known (place, priority, due_at)
        where known.place = asked.place and known.priority < 2147483647
      ) as known
    )
    union all
    select (
      select coalesce(
        (
          select priority from tasks
          where account_id = asked.account_id and type = asked.type and status = 'pending' and updated_at <= created_at
            and priority < fresh.priority and priority > coalesce(known.priority, -1)
          order by priority desc
          limit 1
        ),
        known.priority
      )
      from (
        select max(known.priority) as priority
        from unnest($7::bigint[], $8::int[], $9::bigint[]) as known (place, priority, due_at)
        where known.place = asked.place and known.priority < fresh.priority
      ) as known
    )
    from fresh where fresh.priority is not null
  ), returned (priority) as (
    select (
      select priority from tasks
      where account_id = asked.account_id and type = asked.type and status = 'pending' and updated_at > created_at
      order by priority desc
      limit 1
    )
    union all
    select (
      select priority from tasks
      where account_id = asked.account_id and type = asked.type and status = 'pending' and updated_at > created_at
        and priority < returned.priority
      order by priority desc
      limit 1
    )
    from returned where returned.priority is not null
  )
  (
    select false as overdue, ready.*
    from fresh cross join lateral (
      select coalesce(max(known.due_at), 0) as due_at
      from unnest($7::bigint[], $8::int[], $9::bigint[]) as known (place, priority, due_at)
      where known.place = asked.place and known.priority = fresh.priority
    ) as front cross join lateral (
      select account_id, id, type, payload, status, priority, scheduled_at, attempt_count,
        max_attempts, lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at,
        created_at, updated_at, completed_at, last_failed_at, last_failure_reason, result,
        output_id, lease_token, traceparent,
        given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
      from tasks
      where account_id = asked.account_id and type = asked.type and status = 'pending' and updated_at <= created_at
        and priority = fresh.priority and due_at >= front.due_at
        and due_at <= (
          select coalesce($3::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
        )
      order by due_at, id
      limit asked.pending
      for update skip locked
    ) as ready
    limit asked.pending
  )
  union all
  (
    select false as overdue, ready.*
    from returned cross join lateral (
      select account_id, id, type, payload, status, priority, scheduled_at, attempt_count,
        max_attempts, lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at,
        created_at, updated_at, completed_at, last_failed_at, last_failure_reason, result,
        output_id, lease_token, traceparent,
        given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
      from tasks
      where account_id = asked.account_id and type = asked.type and status = 'pending' and updated_at > created_at
        and priority = returned.priority
        and due_at <= (
          select coalesce($3::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
        )
      order by due_at, id
      limit asked.pending
      for update skip locked
    ) as ready
    limit asked.pending
  )
  union all
  (
    select true as overdue, ended.*
    from (
      select account_id, id, type, payload, status, priority, scheduled_at, attempt_count,
        max_attempts, lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at,
        created_at, updated_at, completed_at, last_failed_at, last_failure_reason, result,
        output_id, lease_token, traceparent,
        given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
      from tasks
      where account_id = asked.account_id and type = asked.type and status = 'claimed' and lease_expires_at > asked.ended_after
        and lease_expires_at <= (
          select coalesce($3::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
        )
      order by priority desc, due_at, id
      limit asked.overdue
      for update skip locked
    ) as ended
  )
) as found;

-- name: count_live_leases
-- Rides on tasks_leased, and stops at the limit. Names too what ended lately and nobody took away:
-- a heartbeat that is being committed may have renewed it.
select
  count(*) filter (where lease_expires_at > moment),
  (
    -- Not of those counted: where the limit cuts, they are the last to end.
    select lease_expires_at from tasks
    where account_id = $1 and status = 'claimed' and lease_expires_at > (
      select coalesce($2::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
    )
    order by lease_expires_at
    limit 1
  ),
  array_agg(id) filter (where lease_expires_at <= moment)
from (
  select id, lease_expires_at, (
    select coalesce($2::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
  ) as moment
  from tasks
  where account_id = $1 and status = 'claimed' and lease_expires_at > (
    select coalesce($2::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) - $4
  )
  order by lease_expires_at desc
  limit $3
) as recent;

-- name: insert_accounts
insert into accounts (
  id, email, plan, plan_expires_at, created_at, cycle_started_at, tasks_in_cycle,
  creates_window_at, creates_in_window, claims_window_at, claims_in_window
)
select * from unnest(
  $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
  $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]
);

-- name: set_account
-- Rides on the primary key of accounts.
update accounts set require_lease_token = $2 where id = $1;

-- name: insert_keys
insert into api_keys (hash, id, account_id, created_at)
select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[]);

-- name: save_accounts
-- Rides on the primary key of accounts. Who counted no leases leaves their bound alone.
update accounts
set
  plan = changed.plan, plan_expires_at = changed.plan_expires_at,
  cycle_started_at = changed.cycle_started_at, tasks_in_cycle = changed.tasks_in_cycle,
  creates_window_at = changed.creates_window_at,
  creates_in_window = changed.creates_in_window, claims_window_at = changed.claims_window_at,
  claims_in_window = changed.claims_in_window,
  leases_at_most = coalesce(changed.leases_at_most, accounts.leases_at_most)
from unnest(
  $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
  $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]
) as changed (
  id, plan, plan_expires_at, cycle_started_at, tasks_in_cycle, creates_window_at,
  creates_in_window, claims_window_at, claims_in_window, leases_at_most
)
where accounts.id = any (array[changed.id]);

-- name: insert_tasks
-- Rides on the primary keys of task_counts and task_minutes. What is changed in numbers of tasks is
-- added along with the last rows that a batch writes: their rows are those that most batches wait
-- for. They come sorted, so that no two servers wait for each other.
with numbers as (
  select * from unnest(
    $30::text[], $31::text[], $32::bigint[], $33::bigint[], $34::bigint[], $35::bigint[],
    $36::bigint[], $37::bigint[], $38::bigint[], $39::bigint[], $40::bigint[], $41::bigint[],
    $42::bigint[]
  ) as changed (
    account_id, type, pending, claimed, completed, dead_letter, cancelled,
    created, handed_out, done, failed, died, withdrawn
  )
), counted as (
  insert into task_counts (account_id, type, pending, claimed, completed, dead_letter, cancelled)
  select account_id, type, pending, claimed, completed, dead_letter, cancelled from numbers
  on conflict (account_id, type) do update
  set pending = task_counts.pending + excluded.pending,
    claimed = task_counts.claimed + excluded.claimed,
    completed = task_counts.completed + excluded.completed,
    dead_letter = task_counts.dead_letter + excluded.dead_letter,
    cancelled = task_counts.cancelled + excluded.cancelled
), happened as (
  insert into task_minutes (
    account_id, minute_at, type, created, claimed, completed, failed, dead_lettered, cancelled
  )
  select account_id, $43, type, created, handed_out, done, failed, died, withdrawn from numbers
  on conflict (account_id, minute_at, type) do update
  set created = task_minutes.created + excluded.created,
    claimed = task_minutes.claimed + excluded.claimed,
    completed = task_minutes.completed + excluded.completed,
    failed = task_minutes.failed + excluded.failed,
    dead_lettered = task_minutes.dead_lettered + excluded.dead_lettered,
    cancelled = task_minutes.cancelled + excluded.cancelled
)
insert into tasks (
  account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id,
  lease_token, traceparent, given_back_by, claim_key, claim_digest, release_count,
  cancel_requested_at, due_at
)
select * from unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[],
  $8::int[], $9::int[], $10::int[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[],
  $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::text[], $20::text[],
  $21::text[], $22::text[], $23::text[], $24::bytea[], $25::text[], $26::bytea[], $27::int[],
  $28::bigint[], $29::bigint[]
);

-- name: save_tasks
-- Rides on the primary key of tasks. What never changes after creation is left alone. For numbers it
-- rides, as above, on the primary keys of task_counts and task_minutes.
with numbers as (
  select * from unnest(
    $23::text[], $24::text[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[],
    $29::bigint[], $30::bigint[], $31::bigint[], $32::bigint[], $33::bigint[], $34::bigint[],
    $35::bigint[]
  ) as changed (
    account_id, type, pending, claimed, completed, dead_letter, cancelled,
    created, handed_out, done, failed, died, withdrawn
  )
), counted as (
  insert into task_counts (account_id, type, pending, claimed, completed, dead_letter, cancelled)
  select account_id, type, pending, claimed, completed, dead_letter, cancelled from numbers
  on conflict (account_id, type) do update
  set pending = task_counts.pending + excluded.pending,
    claimed = task_counts.claimed + excluded.claimed,
    completed = task_counts.completed + excluded.completed,
    dead_letter = task_counts.dead_letter + excluded.dead_letter,
    cancelled = task_counts.cancelled + excluded.cancelled
), happened as (
  insert into task_minutes (
    account_id, minute_at, type, created, claimed, completed, failed, dead_lettered, cancelled
  )
  select account_id, $36, type, created, handed_out, done, failed, died, withdrawn from numbers
  on conflict (account_id, minute_at, type) do update
  set created = task_minutes.created + excluded.created,
    claimed = task_minutes.claimed + excluded.claimed,
    completed = task_minutes.completed + excluded.completed,
    failed = task_minutes.failed + excluded.failed,
    dead_lettered = task_minutes.dead_lettered + excluded.dead_lettered,
    cancelled = task_minutes.cancelled + excluded.cancelled
)
update tasks
set
  status = changed.status, scheduled_at = changed.scheduled_at, due_at = changed.due_at,
  attempt_count = changed.attempt_count, claimed_by = changed.claimed_by,
  claimed_at = changed.claimed_at, lease_expires_at = changed.lease_expires_at,
  last_heartbeat_at = changed.last_heartbeat_at, updated_at = changed.updated_at,
  completed_at = changed.completed_at, last_failed_at = changed.last_failed_at,
  last_failure_reason = changed.last_failure_reason, result = changed.result,
  output_id = changed.output_id, lease_token = changed.lease_token,
  given_back_by = changed.given_back_by, claim_key = changed.claim_key,
  claim_digest = changed.claim_digest, release_count = changed.release_count,
  cancel_requested_at = changed.cancel_requested_at
from unnest(
  $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::int[], $7::text[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
  $14::text[], $15::text[], $16::text[], $17::text[], $18::bytea[], $19::text[], $20::bytea[],
  $21::int[], $22::bigint[]
) as changed (
  account_id, id, status, scheduled_at, due_at, attempt_count, claimed_by, claimed_at,
  lease_expires_at, last_heartbeat_at, updated_at, completed_at, last_failed_at,
  last_failure_reason, result, output_id, lease_token, given_back_by, claim_key, claim_digest,
  release_count, cancel_requested_at
)
where tasks.account_id = any (array[changed.account_id])
  and tasks.id between changed.id and changed.id;

-- name: delete_tasks
-- Rides on the primary key of tasks and, as above, on the primary keys of task_counts and task_minutes.
with numbers as (
  select * from unnest(
    $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
    $15::bigint[]
  ) as changed (
    account_id, type, pending, claimed, completed, dead_letter, cancelled,
    created, handed_out, done, failed, died, withdrawn
  )
), counted as (
  insert into task_counts (account_id, type, pending, claimed, completed, dead_letter, cancelled)
  select account_id, type, pending, claimed, completed, dead_letter, cancelled from numbers
  on conflict (account_id, type) do update
  set pending = task_counts.pending + excluded.pending,
    claimed = task_counts.claimed + excluded.claimed,
    completed = task_counts.completed + excluded.completed,
    dead_letter = task_counts.dead_letter + excluded.dead_letter,
    cancelled = task_counts.cancelled + excluded.cancelled
), happened as (
  insert into task_minutes (
    account_id, minute_at, type, created, claimed, completed, failed, dead_lettered, cancelled
  )
  select account_id, $16, type, created, handed_out, done, failed, died, withdrawn from numbers
  on conflict (account_id, minute_at, type) do update
  set created = task_minutes.created + excluded.created,
    claimed = task_minutes.claimed + excluded.claimed,
    completed = task_minutes.completed + excluded.completed,
    failed = task_minutes.failed + excluded.failed,
    dead_lettered = task_minutes.dead_lettered + excluded.dead_lettered,
    cancelled = task_minutes.cancelled + excluded.cancelled
)
delete from tasks
using unnest($1::text[], $2::text[]) as gone (account_id, id)
where tasks.account_id = any (array[gone.account_id]) and tasks.id between gone.id and gone.id;

-- name: save_idempotency
-- Rides on the primary key of idempotency_keys; a key whose life is over is taken anew.
insert into idempotency_keys (account_id, key, request_digest, created_at, first)
select * from unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::text[])
on conflict (account_id, key) do update
set request_digest = excluded.request_digest, created_at = excluded.created_at,
  first = excluded.first;

-- name: delete_idempotency
-- Rides on the primary key of idempotency_keys.
delete from idempotency_keys as kept
using unnest($1::text[], $2::text[]) as gone (account_id, key)
where kept.account_id = any (array[gone.account_id]) and kept.key between gone.key and gone.key;

-- name: save_request_counts
-- Rides on the primary key of request_counts.
insert into request_counts (account_id, key_id, kind, window_at, count)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
on conflict (account_id, key_id, kind) do update
set window_at = excluded.window_at, count = excluded.count;

-- name: lock_asks
-- Rides on the primary key of worker_asks. As with counters, what is not there is put there.
insert into worker_asks (account_id, asked)
select account_id, '{}' from unnest($1::text[]) as asked (account_id) order by account_id
on conflict (account_id) do update
set asked = worker_asks.asked
returning account_id, asked;

-- name: save_asks
-- Rides on the primary key of worker_asks.
insert into worker_asks (account_id, asked)
select * from unnest($1::text[], $2::text[])
on conflict (account_id) do update
set asked = excluded.asked;

-- name: load_asks
-- Rides on the primary key of worker_asks.
select account_id, asked from worker_asks where account_id = $1;

-- name: load_request_counts
select account_id, key_id, kind, window_at, count from request_counts where window_at > $1;

-- name: load_principal
-- Rides on the primary keys of api_keys and accounts.
select shown.account_id, shown.id, owner.plan, owner.plan_expires_at, owner.require_lease_token
from api_keys as shown cross join lateral (
  -- Without an offset it is a join, which a plan made for few accounts reads all of them for.
  select plan, plan_expires_at, require_lease_token
  from accounts
  where id = shown.account_id
  offset 0
) as owner
where shown.hash = $1 and shown.revoked_at is null;

-- name: list_keys
select id, account_id, created_at, revoked_at from api_keys order by id;

-- name: revoke_key
-- Rides on the unique index of api_keys.id.
update api_keys set revoked_at = $2 where id = $1 and revoked_at is null;

-- name: any_key
select 1 from api_keys limit 1;

-- name: load_task
-- Rides on the primary key of tasks.
select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now,
  account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = $2 and id = $3;

-- name: list_page
-- Rides on the primary key of tasks.
select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now,
  account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = $2 and id < $3
  and ($5::text is null or claimed_by = $5)
order by id desc
limit $4;

-- name: list_page_by_type
-- Rides on tasks_by_type, which alone has this order: by a plan made for few tasks, `type = $6 order
-- by id` would go through those of other types.
select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now,
  account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = $2 and id < $3
  and type between $6 and $6
  and ($5::text is null or claimed_by = $5)
order by type desc, id desc
limit $4;

-- name: list_page_pending
-- Rides on tasks_pending.
select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now,
  account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = $2 and id < $3
  and status = 'pending'
  and ($5::text is null or claimed_by = $5)
  and ($6::text is null or type = $6)
order by id desc
limit $4;

-- name: list_page_claimed
-- Rides on tasks_leased and sorts: as many rows as there are leases. Without the offset a plan may
-- prefer the order of ids, and read every task for a few leases.
select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now,
  account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from (
  select * from tasks where account_id = $2 and status = 'claimed' offset 0
) as held
where id < $3
  and ($5::text is null or claimed_by = $5)
  and ($6::text is null or type = $6)
order by id desc
limit $4;

-- name: list_page_ended
-- Rides on tasks_ended, whose condition stands here word for word.
select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now,
  account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = $2 and id < $3
  and status = $7 and status in ('completed', 'dead_letter', 'cancelled')
  and ($5::text is null or claimed_by = $5)
  and ($6::text is null or type = $6)
order by id desc
limit $4;

-- name: list_overdue
-- Rides on tasks_leased, which holds no more than there are leases; locks nothing.
select account_id, id
from tasks
where status = 'claimed' and lease_expires_at <= (
  select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
)
order by account_id, lease_expires_at
limit $2;

-- name: next_ended_account
-- Rides on tasks_ended: the next account that has a task that ended.
select account_id
from tasks
where status in ('completed', 'dead_letter', 'cancelled') and account_id > $1
order by account_id
limit 1;

-- name: list_ended
-- Rides on tasks_ended: what was created before the cutoff, of which nearly all ended before it.
select id
from tasks
where account_id = $1 and status = $2 and status in ('completed', 'dead_letter', 'cancelled')
  and id < $3 and updated_at <= $4
order by id
limit $5;

-- name: list_idempotency_before
-- Rides on idempotency_keys_by_age, account by account along the primary key of accounts.
select due.account_id, due.key
from accounts cross join lateral (
  select account_id, key
  from idempotency_keys
  where account_id = accounts.id and created_at <= $1
  order by created_at
  limit $2
) as due
limit $2;

-- name: load_state
-- Reads no table of tenants. Whoever may not see the sessions of others sees no snapshots of theirs.
select
  pg_database_size(current_database()) as size_bytes,
  (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
  current_setting('max_connections')::int as connections_max,
  greatest(
    0,
    (
      select max(greatest(age(backend_xmin), age(backend_xid))) from pg_stat_activity
      where pid <> pg_backend_pid() and backend_type <> 'autovacuum worker'
        and (datname = current_database() or datname is null)
    ),
    (select max(age(transaction)) from pg_prepared_xacts where database = current_database()),
    (select max(greatest(age(xmin), age(catalog_xmin))) from pg_replication_slots)
  ) as oldest_snapshot_transactions,
  greatest(
    0,
    (
      select max(extract(epoch from clock_timestamp() - xact_start)) from pg_stat_activity
      where pid <> pg_backend_pid() and backend_type <> 'autovacuum worker'
        and (backend_xmin is not null or backend_xid is not null)
        and (datname = current_database() or datname is null)
    ),
    (
      select max(extract(epoch from clock_timestamp() - prepared)) from pg_prepared_xacts
      where database = current_database()
    )
  )::float8 as oldest_snapshot_seconds,
  array(
    select relname::text from pg_stat_user_tables
    where schemaname = current_schema() order by relname
  ) as tables,
  array(
    select n_dead_tup from pg_stat_user_tables
    where schemaname = current_schema() order by relname
  ) as dead_rows;

-- name: count_by_status
-- Reads whole indexes, of which each holds little but what has a status; asked every few seconds at
-- most, never per request.
select 'pending' as status, count(*) from tasks where status = 'pending'
union all
select 'claimed', count(*) from tasks where status = 'claimed'
union all
select of_each.status, of_each.count
from (
  select
    count(*) filter (where status = 'completed') as completed,
    count(*) filter (where status = 'dead_letter') as dead_letter,
    count(*) filter (where status = 'cancelled') as cancelled
  from tasks
  where status in ('completed', 'dead_letter', 'cancelled')
) as ended cross join lateral (
  values ('completed', completed), ('dead_letter', dead_letter), ('cancelled', cancelled)
) as of_each (status, count);

-- name: load_type_state
-- Rides on tasks_claimable and tasks_returned, by two probes per distinct priority and as many rows
-- as are counted; on tasks_by_type for one row.
with recursive moment as materialized (
  select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now
), fresh (priority) as (
  select (
    select priority from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at <= created_at
    order by priority desc
    limit 1
  )
  union all
  select (
    select priority from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at <= created_at
      and priority < fresh.priority
    order by priority desc
    limit 1
  )
  from fresh where fresh.priority is not null
), returned (priority) as (
  select (
    select priority from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at > created_at
    order by priority desc
    limit 1
  )
  union all
  select (
    select priority from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at > created_at
      and priority < returned.priority
    order by priority desc
    limit 1
  )
  from returned where returned.priority is not null
), waiting as materialized (
  (
    select ready.due_at
    from fresh cross join lateral (
      select due_at
      from tasks
      where account_id = $2 and type = $3 and status = 'pending' and updated_at <= created_at
        and priority = fresh.priority
      order by due_at, id
      limit $4
    ) as ready
    limit $4
  )
  union all
  (
    select ready.due_at
    from returned cross join lateral (
      select due_at
      from tasks
      where account_id = $2 and type = $3 and status = 'pending' and updated_at > created_at
        and priority = returned.priority
      order by due_at, id
      limit $4
    ) as ready
    limit $4
  )
), firsts as (
  select first.due_at
  from fresh cross join lateral (
    select due_at
    from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at <= created_at
      and priority = fresh.priority
    order by due_at, id
    limit 1
  ) as first
  union all
  select first.due_at
  from returned cross join lateral (
    select due_at
    from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at > created_at
      and priority = returned.priority
    order by due_at, id
    limit 1
  ) as first
)
select
  (select now from moment) as now,
  coalesce(
    (
      select type from tasks where account_id = $2 and type >= $3 order by type limit 1
    ) = $3,
    false
  ) as known,
  (select count(*) from waiting where due_at <= (select now from moment)) as due,
  (select count(*) from waiting where due_at > (select now from moment)) as scheduled,
  (select min(due_at) from firsts) as next_due_at;

-- name: list_leases
-- Rides on tasks_leased: those of the types among the first to end of any type, up to the limit; and
-- how many those were, and when the last of them ends.
with leases as materialized (
  select type, lease_expires_at, attempt_count, max_attempts, cancel_requested_at
  from tasks
  where account_id = $1 and status = 'claimed'
  order by lease_expires_at
  limit $3
)
select facts.*, held.*
from (
  select count(*) as read, max(lease_expires_at) as last_end from leases
) as facts left join (
  select lease_expires_at, attempt_count, max_attempts, cancel_requested_at
  from leases
  where type = any($2::text[])
) as held on true;

-- name: list_types
-- Rides on tasks_by_type: one probe per type, however many tasks there are.
with recursive named (type) as (
  (select type from tasks where account_id = $1 order by type limit 1)
  union all
  select (
    select type from tasks where account_id = $1 and type > named.type order by type limit 1
  )
  from named where named.type is not null
)
select type from named where type is not null limit $2;

-- name: next_due
-- Rides on tasks_claimable and tasks_returned, by two probes per type and distinct priority; and on
-- tasks_leased for the leases of the account that end first, of any type.
select asked.type, (
  with recursive fresh (priority) as (
    select (
      select priority from tasks
      where account_id = $1 and type = asked.type and status = 'pending'
        and updated_at <= created_at
      order by priority desc
      limit 1
    )
    union all
    select (
      select priority from tasks
      where account_id = $1 and type = asked.type and status = 'pending'
        and updated_at <= created_at and priority < fresh.priority
      order by priority desc
      limit 1
    )
    from fresh where fresh.priority is not null
  ), returned (priority) as (
    select (
      select priority from tasks
      where account_id = $1 and type = asked.type and status = 'pending'
        and updated_at > created_at
      order by priority desc
      limit 1
    )
    union all
    select (
      select priority from tasks
      where account_id = $1 and type = asked.type and status = 'pending'
        and updated_at > created_at and priority < returned.priority
      order by priority desc
      limit 1
    )
    from returned where returned.priority is not null
  )
  select min(due_at)
  from (
    select first.due_at
    from fresh cross join lateral (
      select due_at
      from tasks
      where account_id = $1 and type = asked.type and status = 'pending'
        and updated_at <= created_at and priority = fresh.priority
      order by due_at, id
      limit 1
    ) as first
    union all
    select first.due_at
    from returned cross join lateral (
      select due_at
      from tasks
      where account_id = $1 and type = asked.type and status = 'pending'
        and updated_at > created_at and priority = returned.priority
      order by due_at, id
      limit 1
    ) as first
  ) as firsts
) as at
from unnest($2::text[]) as asked (type)
union all
select ending.type, ending.lease_expires_at
from (
  select type, lease_expires_at
  from tasks
  where account_id = $1 and status = 'claimed' and lease_expires_at <= $3
  order by lease_expires_at
  limit $4
) as ending;

-- name: next_due_of_many
-- Rides on tasks_claimable, tasks_returned and tasks_leased: the same for several accounts at once.
select asked.account_id, asked.type, (
  with recursive fresh (priority) as (
    select (
      select priority from tasks
      where account_id = asked.account_id and type = asked.type and status = 'pending'
        and updated_at <= created_at
      order by priority desc
      limit 1
    )
    union all
    select (
      select priority from tasks
      where account_id = asked.account_id and type = asked.type and status = 'pending'
        and updated_at <= created_at and priority < fresh.priority
      order by priority desc
      limit 1
    )
    from fresh where fresh.priority is not null
  ), returned (priority) as (
    select (
      select priority from tasks
      where account_id = asked.account_id and type = asked.type and status = 'pending'
        and updated_at > created_at
      order by priority desc
      limit 1
    )
    union all
    select (
      select priority from tasks
      where account_id = asked.account_id and type = asked.type and status = 'pending'
        and updated_at > created_at and priority < returned.priority
      order by priority desc
      limit 1
    )
    from returned where returned.priority is not null
  )
  select min(due_at)
  from (
    select first.due_at
    from fresh cross join lateral (
      select due_at
      from tasks
      where account_id = asked.account_id and type = asked.type and status = 'pending'
        and updated_at <= created_at and priority = fresh.priority
      order by due_at, id
      limit 1
    ) as first
    union all
    select first.due_at
    from returned cross join lateral (
      select due_at
      from tasks
      where account_id = asked.account_id and type = asked.type and status = 'pending'
        and updated_at > created_at and priority = returned.priority
      order by due_at, id
      limit 1
    ) as first
  ) as firsts
) as at
from unnest($1::text[], $2::text[]) as asked (account_id, type)
union all
select owner.account_id, ending.type, ending.lease_expires_at
from (
  select distinct account_id from unnest($1::text[]) as named (account_id)
) as owner cross join lateral (
  select type, lease_expires_at
  from tasks
  where account_id = owner.account_id and status = 'claimed' and lease_expires_at <= $3
  order by lease_expires_at
  limit $4
) as ending;

-- name: notify
select pg_notify($1, $2);

-- name: count_ahead
-- Rides on tasks_claimable and tasks_returned, by one probe per distinct priority and as many rows as
-- are counted.
with recursive moment as materialized (
  select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now
), fresh (priority) as (
  select (
    select priority from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at <= created_at and priority > $4
    order by priority desc
    limit 1
  )
  union all
  select (
    select priority from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at <= created_at and priority > $4
      and priority < fresh.priority
    order by priority desc
    limit 1
  )
  from fresh where fresh.priority is not null
), returned (priority) as (
  select (
    select priority from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at > created_at and priority > $4
    order by priority desc
    limit 1
  )
  union all
  select (
    select priority from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at > created_at and priority > $4
      and priority < returned.priority
    order by priority desc
    limit 1
  )
  from returned where returned.priority is not null
)
select count(*)
from (
  (
    select 1
    from fresh cross join lateral (
      select 1
      from tasks
      where account_id = $2 and type = $3 and status = 'pending' and updated_at <= created_at
        and priority = fresh.priority and due_at <= (select now from moment)
      order by due_at, id
      limit $7
    ) as higher
    limit $7
  )
  union all
  (
    select 1
    from returned cross join lateral (
      select 1
      from tasks
      where account_id = $2 and type = $3 and status = 'pending' and updated_at > created_at
        and priority = returned.priority and due_at <= (select now from moment)
      order by due_at, id
      limit $7
    ) as higher
    limit $7
  )
  union all
  (
    select 1
    from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at <= created_at
      and priority = $4 and (due_at, id) < ($5, $6)
    order by due_at, id
    limit $7
  )
  union all
  (
    select 1
    from tasks
    where account_id = $2 and type = $3 and status = 'pending' and updated_at > created_at
      and priority = $4 and (due_at, id) < ($5, $6)
    order by due_at, id
    limit $7
  )
  limit $7
) as ahead;

-- name: load_tasks
-- Rides on the primary key of tasks.
select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now,
  account_id, id, type, payload, status, priority, scheduled_at, attempt_count, max_attempts,
  lease_seconds, claimed_by, claimed_at, lease_expires_at, last_heartbeat_at, created_at,
  updated_at, completed_at, last_failed_at, last_failure_reason, result, output_id, lease_token,
  traceparent,
  given_back_by, claim_key, claim_digest, release_count, cancel_requested_at
from tasks
where account_id = $2 and id = any($3::text[]);

-- name: load_marks
-- Rides on the primary key of tasks.
select id, status, attempt_count, updated_at, cancel_requested_at
from tasks
where account_id = $1 and id = any($2::text[]);

-- name: load_purchases
-- Rides on the primary key of purchases, once for each. Locks nothing: the lock on an account is
-- the lock on all its purchases.
select kept.*
from unnest($1::text[], $2::text[]) as asked (account_id, id) cross join lateral (
  select account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
    captures, capture_begun_at, capture_id, confirmed_at, updated_at
  from purchases
  where account_id = asked.account_id and id = asked.id
  offset 0
) as kept;

-- name: load_newest_purchases
-- Rides on purchases_newest, once for each.
select kept.*
from unnest($1::text[]) as asked (account_id) cross join lateral (
  select account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
    captures, capture_begun_at, capture_id, confirmed_at, updated_at
  from purchases
  where account_id = asked.account_id
  order by created_at desc
  limit 1
) as kept;

-- name: load_purchase_of_order
-- Rides on purchases_by_order.
select account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
  captures, capture_begun_at, capture_id, confirmed_at, updated_at
from purchases
where order_id = $1;

-- name: insert_purchases
insert into purchases (
  account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
  captures, capture_begun_at, capture_id, confirmed_at, updated_at, settle_at
)
select * from unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::bigint[], $9::bigint[], $10::int[], $11::bigint[], $12::text[], $13::bigint[],
  $14::bigint[], $15::bigint[]
);

-- name: save_purchases
-- Rides on the primary key of purchases. What never changes after creation is left alone.
update purchases
set
  stage = changed.stage, order_id = changed.order_id, checkout_url = changed.checkout_url,
  captures = changed.captures, capture_begun_at = changed.capture_begun_at,
  capture_id = changed.capture_id, confirmed_at = changed.confirmed_at,
  updated_at = changed.updated_at, settle_at = changed.settle_at
from unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[],
  $8::text[], $9::bigint[], $10::bigint[], $11::bigint[]
) as changed (
  account_id, id, stage, order_id, checkout_url, captures, capture_begun_at, capture_id,
  confirmed_at, updated_at, settle_at
)
where purchases.account_id = any (array[changed.account_id])
  and purchases.id between changed.id and changed.id;

-- name: list_unsettled_purchases
-- Rides on purchases_unsettled.
select account_id, id, plan_id, price_usd, stage, order_id, checkout_url, created_at, expires_at,
  captures, capture_begun_at, capture_id, confirmed_at, updated_at
from purchases
where settle_at <= (
    select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
  )
  and (settle_at, id) > ($2, $3)
order by settle_at, id
limit $4;

-- name: delete_minutes
-- Rides on the primary key of task_minutes. Rows come sorted, as numbers do.
delete from task_minutes as kept
using unnest($1::text[], $2::text[], $3::bigint[]) as gone (account_id, type, minute_at)
where kept.account_id = any (array[gone.account_id])
  and kept.minute_at = any (array[gone.minute_at]) and kept.type between gone.type and gone.type;

-- name: delete_idle_types
-- Rides on the primary key of task_counts; spares what has tasks again. It waits for nobody, for by
-- now others may wait for this batch: what is just being written is not idle.
delete from task_counts as kept
using (
  select account_id, type
  from task_counts
  where account_id = $1 and type = any($2::text[])
    and pending = 0 and claimed = 0 and completed = 0 and dead_letter = 0 and cancelled = 0
  for update skip locked
) as idle
where kept.account_id = any (array[idle.account_id]) and kept.type between idle.type and idle.type;

-- name: load_task_counts
-- Rides on the primary key of task_counts: what all types have together comes first.
select type, pending, claimed, completed, dead_letter, cancelled
from task_counts
where account_id = $1
order by type
limit $2;

-- name: oldest_pending
-- Rides on tasks_pending, whose first row is the oldest: ids tell when a task was created.
select coalesce($1::bigint, floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as now,
  (
    select created_at
    from tasks
    where account_id = $2 and status = 'pending'
    order by id
    limit 1
  ) as created_at;

-- name: load_task_minutes
-- Rides on the primary key of task_minutes, once for each minute and type.
select type, minute_at, created, claimed, completed, failed, dead_lettered, cancelled
from task_minutes
where account_id = $1 and minute_at = any($3::bigint[]) and type = any($2::text[]);

-- name: list_minutes_before
-- Rides on the primary keys of accounts and task_minutes, account by account.
select old.account_id, old.type, old.minute_at
from accounts cross join lateral (
  select account_id, type, minute_at
  from task_minutes
  where account_id = accounts.id and minute_at <= $1
  order by minute_at
  limit $2
) as old
limit $2;

-- name: list_idle_types
-- Rides on the primary key of task_counts: as many rows as the account has types.
select type
from task_counts
where account_id = $1
  and pending = 0 and claimed = 0 and completed = 0 and dead_letter = 0 and cancelled = 0
limit $2;
