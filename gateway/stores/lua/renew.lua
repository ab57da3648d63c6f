-- Keep what running exchanges hold: leases and in-flight markers. What is no longer there is put back.
--
-- KEYS  sorted sets, those of markers first.
-- ARGV  markers  how many of KEYS are sets of markers
--       ttl      milliseconds that a lease lives without renewal
--       then for each key: how many exchanges, and each of them
local call = redis.call
local SWEEP = 600000 -- as in take.lua
local time = call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
local markers, ttl = tonumber(ARGV[1]), tonumber(ARGV[2])
local a = 3
for k = 1, #KEYS do
  local pairs_, count = {}, tonumber(ARGV[a])
  for i = 1, count do
    pairs_[2 * i - 1], pairs_[2 * i] = now_ms + ttl, ARGV[a + i]
  end
  a = a + count + 1
  call('ZADD', KEYS[k], unpack(pairs_))
  call('PEXPIRE', KEYS[k], k <= markers and ttl + SWEEP or ttl)
end
return 1
