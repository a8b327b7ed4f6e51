-- Counts answers in each thread; at the end prints everything measured as one line of JSON.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

-- Globals, because the end of the run reads them out of each thread.
good = 0
bad = 0
first_bad = ""

-- Takes note of an answer; true if it is a 2xx.
function note(status, body)
  if status >= 200 and status < 300 then
    good = good + 1
    return true
  end
  complain(status .. " " .. body)
  return false
end

-- Takes note of an answer that must not be.
function complain(what)
  bad = bad + 1
  if first_bad == "" then
    first_bad = string.sub(what, 1, 300)
  end
end

local function quoted(text)
  return '"' .. string.gsub(text, '[%c"\\]', "'") .. '"'
end

function done(summary, latency, requests)
  local counted = {good = 0, bad = 0}
  local example = ""
  for _, thread in ipairs(threads) do
    counted.good = counted.good + thread:get("good")
    counted.bad = counted.bad + thread:get("bad")
    if example == "" then
      example = thread:get("first_bad")
    end
  end
  local errors = summary.errors
  io.write(string.format(
    '\nMEASURED {"requests":%d,"seconds":%.6f,"bytes":%d,"p50_ms":%.3f,"p99_ms":%.3f,'
      .. '"good":%d,"bad":%d,"over_399":%d,"lost":%d,"first_bad":%s}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    counted.good, counted.bad, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, quoted(example)
  ))
end
