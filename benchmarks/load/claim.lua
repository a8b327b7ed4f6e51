-- Claims alone, of tasks that were put into the database before.

dofile("report.lua")
dofile("requests.lua")

function request()
  return claim_request
end

function response(status, headers, body)
  if note(status, body) and not string.find(body, '"lease_token"', 1, true) then
    complain("no task left to claim")
  end
end
