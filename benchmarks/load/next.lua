-- Works through tasks with one request for each: a completion that takes the next task with it.

dofile("report.lua")
dofile("requests.lua")
dofile("pool.lua")

-- What connections hold that are just now creating.
local held = {}
local following = {}

function request()
  return table.remove(following) or create_request
end

local function complete_and_claim()
  local task = table.remove(held)
  if not task then
    -- At first nobody holds one.
    return claim_request
  end
  return post("/v1/tasks/" .. task.id .. "/complete",
    '{"result":{"words":4812,"headings":17,"links":23},"lease_token":"' .. task.token
      .. '","claim_next":{"type":"bench","worker_id":"worker-1"}}')
end

local function next_after(status, body)
  if not created(status) then
    local id, token = string.match(body, '"next_task":{"id":"([%w_]+)".-"next_lease_token":"([%w_]+)"')
    if not id then
      id, token = string.match(body, '"task":{"id":"([%w_]+)".-"lease_token":"([%w_]+)"')
    end
    if id then
      table.insert(held, {id = id, token = token})
    else
      complain("nothing came next: " .. body)
    end
  end
  return work_or_create(complete_and_claim)
end

function response(status, headers, body)
  table.insert(following, note(status, body) and next_after(status, body) or create_request)
end
