-- The floor: one constant POST, the same bytes as a create. It has neither a `request` nor a
-- `response` function, as wrk is fastest without; its own count of statuses above 399 is enough.

dofile("report.lua")
dofile("requests.lua")

wrk.method = "POST"
wrk.body = create_body
wrk.headers["Authorization"] = "Bearer " .. string.rep("x", 74)
wrk.headers["Content-Type"] = "application/json"
