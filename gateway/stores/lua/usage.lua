#!lua flags=no-writes
-- What is in use, for people: nothing is changed.
--
-- KEYS  hashes of buckets and sorted sets of leases; all of one tag, and one may come again.
-- ARGV  for each key: the field of its bucket; empty for leases.
-- Reply the clock in microseconds; for each key the state as in take.lua (nil: nothing in use), or of leases how many
--       are held, and some of the exchanges that hold them.
local SHOWN = 20
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = math.floor(now / 1000)
local reply = { string.format('%.0f', now) }
for i = 1, #KEYS do
  if ARGV[i] == '' then
    local held = redis.call('ZCOUNT', KEYS[i], now_ms + 1, '+inf')
    reply[i + 1] = { held, redis.call('ZRANGEBYSCORE', KEYS[i], now_ms + 1, '+inf', 'LIMIT', 0, SHOWN) }
  else
    reply[i + 1] = redis.call('HGET', KEYS[i], ARGV[i])
  end
end
return reply
