-- Servers of the version before changed tasks without counting them. Now every transaction that
-- changes a task counts it, so in one snapshot what is there and what is counted differ by just what
-- they left out; this much is added, and nobody waits while tasks are counted.
insert into task_counts (account_id, type, pending, claimed, completed, dead_letter, cancelled)
select left_out.*
from (
  select account_id, type,
    coalesce(found.pending, 0) - coalesce(kept.pending, 0) as pending,
    coalesce(found.claimed, 0) - coalesce(kept.claimed, 0) as claimed,
    coalesce(found.completed, 0) - coalesce(kept.completed, 0) as completed,
    coalesce(found.dead_letter, 0) - coalesce(kept.dead_letter, 0) as dead_letter,
    coalesce(found.cancelled, 0) - coalesce(kept.cancelled, 0) as cancelled
  from (
    select account_id, coalesce(type, '') as type,
      count(*) filter (where status = 'pending') as pending,
      count(*) filter (where status = 'claimed') as claimed,
      count(*) filter (where status = 'completed') as completed,
      count(*) filter (where status = 'dead_letter') as dead_letter,
      count(*) filter (where status = 'cancelled') as cancelled
    from tasks
    group by grouping sets ((account_id, type), (account_id))
  ) as found full join task_counts as kept using (account_id, type)
) as left_out
where pending <> 0 or claimed <> 0 or completed <> 0 or dead_letter <> 0 or cancelled <> 0
order by account_id collate "C", type collate "C"
on conflict (account_id, type) do update
set pending = task_counts.pending + excluded.pending,
  claimed = task_counts.claimed + excluded.claimed,
  completed = task_counts.completed + excluded.completed,
  dead_letter = task_counts.dead_letter + excluded.dead_letter,
  cancelled = task_counts.cancelled + excluded.cancelled;
