-- The floor: one constant POST; the summary's own count of statuses above 399 is enough.

dofile("report.lua")
dofile("requests.lua")

function request()
  return create_request
end
