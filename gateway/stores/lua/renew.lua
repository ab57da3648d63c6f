-- Keep what running exchanges hold: leases and marks. What is no longer there is put back.
--
-- KEYS  sorted sets.
-- ARGV  ttl  milliseconds that a lease lives without renewal
--       then for each key: how many exchanges, and each of them
local SWEEP = 600000 -- as in take.lua
local time = redis.call('TIME')
local ttl = tonumber(ARGV[1])
local expiry = math.floor((time[1] * 1000000 + time[2]) / 1000) + ttl
local a = 2
for k = 1, #KEYS do
  local rows, count = {}, tonumber(ARGV[a])
  for i = 1, count do
    rows[2 * i - 1], rows[2 * i] = expiry, ARGV[a + i]
  end
  a = a + count + 1
  redis.call('ZADD', KEYS[k], unpack(rows))
  redis.call('PEXPIRE', KEYS[k], ttl + SWEEP)
end
return 1
