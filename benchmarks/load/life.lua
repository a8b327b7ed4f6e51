-- Whole lives: each connection creates a task, claims one, and completes the one it claimed.

dofile("report.lua")
dofile("requests.lua")

-- What connections are to send next. An answer adds one entry and a request takes one away, so
-- there are never more than connections.
local following = {}

function request()
  return table.remove(following) or create_request
end

local function next_after(status, body)
  if status == 201 then
    return claim_request
  end
  local lease_token = string.match(body, '"lease_token":"([%w_]+)"')
  if lease_token then
    return complete_request(string.match(body, '"id":"([%w_]+)"'), lease_token)
  end
  if not string.find(body, '"status":"completed"', 1, true) then
    complain("neither claimed nor completed: " .. body)
  end
  return create_request
end

function response(status, headers, body)
  table.insert(following, note(status, body) and next_after(status, body) or create_request)
end
