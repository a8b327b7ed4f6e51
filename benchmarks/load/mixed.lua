-- Claims, creates and pages of the list in turn, to use all that a server keeps in memory.

dofile("report.lua")
dofile("requests.lua")

local turns = {claim_request, list_request, create_request, list_request}
local turn = 0

function request()
  turn = turn % #turns + 1
  return turns[turn]
end

function response(status, headers, body)
  note(status, body)
end
