-- Creates a task whenever none is left to work on.

-- How many lie there already, put there before the clock ran.
local left = tonumber(os.getenv("BENCH_STOCK")) or 0

-- Gives what `work` does with a task, or the request that makes one more.
function work_or_create(work)
  if left == 0 then
    return create_request
  end
  left = left - 1
  return work()
end

-- Tells whether an answer is that to a create, and counts what it made.
function created(status)
  if status == 201 then
    left = left + 1
  end
  return status == 201
end
