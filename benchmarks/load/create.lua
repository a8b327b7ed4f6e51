-- Creates alone.

dofile("report.lua")
dofile("requests.lua")

function request()
  return create_request
end

function response(status, headers, body)
  note(status, body)
end
