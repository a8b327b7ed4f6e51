-- Whole lives in two requests: a create, and a completion that takes the next task with it.

dofile("report.lua")
dofile("requests.lua")

local held = {}

local function complete_and_claim(task)
  return post("/v1/tasks/" .. task.id .. "/complete",
    '{"result":{"words":4812,"headings":17,"links":23},"lease_token":"' .. task.token
      .. '","claim_next":{"type":"bench","worker_id":"worker-1"}}')
end

local following = {}

function request()
  return table.remove(following) or create_request
end

-- A connection creates a task, and then completes the one it holds; at first it claims one.
local function next_after(status, body)
  if status == 201 then
    local task = table.remove(held)
    return task and complete_and_claim(task) or claim_request
  end
  local id, token = string.match(body, '"next_task":{"id":"([%w_]+)".-"next_lease_token":"([%w_]+)"')
  if not id then
    id, token = string.match(body, '"task":{"id":"([%w_]+)".-"lease_token":"([%w_]+)"')
  end
  if id then
    table.insert(held, {id = id, token = token})
  else
    complain("nothing came next: " .. body)
  end
  return create_request
end

function response(status, headers, body)
  table.insert(following, note(status, body) and next_after(status, body) or create_request)
end
