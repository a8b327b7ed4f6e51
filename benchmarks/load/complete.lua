-- Completions alone, of tasks that were put claimed into the database; ids and tokens count up.

dofile("report.lua")
dofile("requests.lua")

local number = tonumber(os.getenv("BENCH_FIRST"))

function request()
  number = number + 1
  return complete_request(string.format("tsk_%026d", number), string.format("lse_%034d", number))
end

function response(status, headers, body)
  note(status, body)
end
