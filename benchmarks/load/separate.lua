-- Works through tasks with a claim and a completion for each.

dofile("report.lua")
dofile("requests.lua")
dofile("pool.lua")

local following = {}

function request()
  return table.remove(following) or create_request
end

local function claim()
  return claim_request
end

local function next_after(status, body)
  if created(status) then
    return work_or_create(claim)
  end
  local id, token = string.match(body, '"task":{"id":"([%w_]+)".-"lease_token":"([%w_]+)"')
  if id then
    return complete_request(id, token)
  end
  if not string.find(body, '"status":"completed"', 1, true) then
    complain("neither claimed nor completed: " .. body)
  end
  return work_or_create(claim)
end

function response(status, headers, body)
  table.insert(following, note(status, body) and next_after(status, body) or create_request)
end
