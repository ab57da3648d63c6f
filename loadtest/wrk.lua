-- Requests that rotate over the lines of LOADTEST_REQUESTS' keys; a line of JSON at the end.
-- LOADTEST_THINK_MS: mean pause of a connection between an answer and its next request, spread evenly from 0 to twice that.
local keys, bodies, requests, next_one = {}, "", {}, 0

for line in io.lines(os.getenv("LOADTEST_KEYS")) do keys[#keys + 1] = line end
do
  local file = io.open(os.getenv("LOADTEST_BODY"), "rb")
  bodies = file:read("*a")
  file:close()
end
local think = tonumber(os.getenv("LOADTEST_THINK_MS") or "0")

function init()
  local fields = {
    ["Content-Type"] = "application/json", ["Accept"] = "application/json", ["Accept-Language"] = "en",
    ["User-Agent"] = "loadtest/1.0", ["X-Stainless-Lang"] = "python", ["X-Stainless-Runtime"] = "CPython",
  }
  for name, value in (os.getenv("LOADTEST_FIELDS") or ""):gmatch("([^:\n]+): ([^\n]+)") do fields[name] = value end
  for i, key in ipairs(keys) do
    fields["Authorization"] = "Bearer " .. key
    requests[i] = wrk.format("POST", os.getenv("LOADTEST_PATH"), fields, bodies)
  end
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end

if think > 0 then
  function delay() return math.random(0, math.floor(2 * think)) end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'LOADTEST {"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status, e.connect + e.read + e.write + e.timeout))
end
