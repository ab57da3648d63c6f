#!lua
-- Usage back to nothing, at once for all. What runs is settled later: what it gives back of a bucket with nothing in use
-- is nothing (settle.lua), and what it owes is counted.
--
-- KEYS  hashes of buckets; all of one tag, and one may come again.
-- ARGV  for each key: the field of its bucket.
-- Reply the clock in microseconds; for each key the state that was there, as in take.lua (nil: nothing was in use).
local time = redis.call('TIME')
local reply = { string.format('%.0f', time[1] * 1000000 + time[2]) }
for i = 1, #KEYS do
  reply[i + 1] = redis.call('HGET', KEYS[i], ARGV[i])
  redis.call('HDEL', KEYS[i], ARGV[i])
end
return reply
