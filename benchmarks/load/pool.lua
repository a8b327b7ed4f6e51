-- Creates tasks, one or fifty with a request, whenever none is left to work on.

local count = tonumber(os.getenv("BENCH_CREATES") or "1")
local left = 0

if count > 1 then
  create_request = post("/v1/tasks/batch",
    '{"items":[' .. string.rep(create_body .. ",", count - 1) .. create_body .. "]}")
end

-- Gives what `work` does with a task, or the request that makes more of them.
function work_or_create(work)
  if left == 0 then
    return create_request
  end
  left = left - 1
  return work()
end

-- Tells whether an answer is that to a create, and counts what it made.
function created(status, body)
  if status == 201 then
    left = left + 1
    return true
  end
  local _, found = string.gsub(body, '"status":201,"body"', "")
  left = left + found
  if found > 0 and found ~= count then
    complain("not all created: " .. body)
  end
  return found > 0
end
