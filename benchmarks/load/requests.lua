-- The three requests of a task's life, as bytes; what is always the same is put together once.

local host = "Host: bench\r\n"
local authorization = "Authorization: Bearer " .. (os.getenv("BENCH_KEY") or "") .. "\r\n"
local json = "Content-Type: application/json\r\n"

function post(path, body)
  return "POST " .. path .. " HTTP/1.1\r\n" .. host .. authorization .. json
    .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

create_body = '{"type":"bench","payload":{"document":"https://example.com/reports/2026/annual.pdf",'
  .. '"pages":[1,2,3],"language":"en"}}'
create_request = post("/v1/tasks", create_body)

claim_request = post("/v1/tasks/claim", '{"type":"bench","worker_id":"worker-1"}')

function complete_request(id, lease_token)
  return post("/v1/tasks/" .. id .. "/complete",
    '{"result":{"words":4812,"headings":17,"links":23},"lease_token":"' .. lease_token .. '"}')
end

list_request = "GET /v1/tasks?status=pending&limit=20 HTTP/1.1\r\n" .. host .. authorization .. "\r\n"
