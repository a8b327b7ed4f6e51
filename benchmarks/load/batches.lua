-- Whole lives, fifty at a time: a batch of creates, a claim of as many, a batch of completions.

dofile("report.lua")
dofile("requests.lua")

local count = 50
local create_items = '{"items":[' .. string.rep(create_body .. ",", count - 1) .. create_body .. "]}"
local create_many = post("/v1/tasks/batch", create_items)
local claim_many = post("/v1/tasks/claim",
  '{"type":"bench","worker_id":"worker-1","max_tasks":' .. count .. "}")
local result = '","result":{"words":4812,"headings":17,"links":23}}'

local following = {}

function request()
  return table.remove(following) or create_many
end

-- Counts items of a status; the items' own contracts hold none.
local function all_of(body, status)
  local _, found = string.gsub(body, '"status":' .. status .. ',"body"', "")
  return found == count
end

local function complete_many(body)
  local items = {}
  local from = string.find(body, '"tasks":[', 1, true)
  for id, token in string.gmatch(string.sub(body, from), '"task":{"id":"([%w_]+)".-"lease_token":"([%w_]+)"') do
    table.insert(items, '{"id":"' .. id .. '","lease_token":"' .. token .. result)
  end
  if #items ~= count then
    complain(#items .. " tasks claimed")
  end
  return post("/v1/tasks/complete", '{"items":[' .. table.concat(items, ",") .. "]}")
end

local function next_after(body)
  if string.find(body, '"tasks":[{', 1, true) then
    return complete_many(body)
  end
  if all_of(body, 201) then
    return claim_many
  end
  if not all_of(body, 200) then
    complain("not all created, claimed or completed: " .. body)
  end
  return create_many
end

function response(status, headers, body)
  table.insert(following, note(status, body) and next_after(body) or create_many)
end
