-- Take from every bucket, or from none.
--
-- KEYS  in-flight markers of the tag; one hash a partition; one sorted set a lease.
-- ARGV  shape    one byte a hash: how many of its buckets are asked
--       numbers  '<dd' capacity, units a second for each bucket; then '<d' capacity for each lease
--       ttl      milliseconds that a lease lives without renewal
--       mode     'take', or 'more': leases are neither checked nor taken
--       field…   names of the buckets, in the order of the hashes
--       exchange
--       costs    '<d' for each bucket
-- Reply granted (1, 0); index of the take with the longest wait (-1: none); that wait in ms, rounded up (-1: never);
--       for each bucket, then each lease: what is left, rounded down.
--
-- A bucket is '<dd' used, at: units in use, and the microsecond of that figure by this server's clock. The limit's
-- numbers are not stored, so a changed limit keeps its usage. A clock that goes back refills nothing.
local call, pack, read, floor = redis.call, struct.pack, struct.unpack, math.floor
local SLACK = 0.000001 -- units by which a sum of doubles may be off
local LEASE_WAIT = 1.0 -- seconds: nobody knows when a running exchange will end
local SWEEP = 600000 -- ms that a marker outlives its last renewal, so that a late settle still finds it
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = floor(now / 1000)
local shape, numbers, ttl, taking = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == 'take'
local exchange, costs = ARGV[#ARGV - 1], ARGV[#ARGV]
local hashes, keys = #shape, #KEYS
local longest, short = -1, -1
local before, after, top, drains, created = {}, {}, {}, {}, {}
local n = 0

for h = 1, hashes do
  local count = shape:byte(h)
  local states = call('HMGET', KEYS[h + 1], unpack(ARGV, 5 + n, 4 + n + count))
  local known = false
  for f = 1, count do
    local capacity, rate = read('<dd', numbers, n * 16 + 1)
    local cost = read('<d', costs, n * 8 + 1)
    local used, limit = 0, capacity + SLACK
    if states[f] then
      local at
      known = true
      used, at = read('<dd', states[f])
      if now > at then
        used = used - (now - at) * 0.000001 * rate
        if used < 0 then used = 0 end
      end
    end
    if not (cost > 0) then cost = 0 end
    if cost > capacity then cost = capacity end
    local wanted = used + cost
    if wanted > limit or capacity <= 0 then
      local wait = math.huge
      if capacity > 0 and rate > 0 then wait = (wanted - capacity) / rate end
      if wait > longest then longest, short = wait, n end
    end
    n = n + 1
    before[n], after[n], top[n], drains[n] = used, wanted, limit, wanted > 0 and wanted / rate or 0
  end
  created[h] = not known and call('EXISTS', KEYS[h + 1]) == 0
end

local buckets, slots = n, {}
for k = hashes + 2, keys do
  local capacity = read('<d', numbers, buckets * 16 + (k - hashes - 2) * 8 + 1)
  local free = floor(capacity) - call('ZCOUNT', KEYS[k], '(' .. now_ms, '+inf')
  n = n + 1
  slots[n] = free
  if taking and free < 1 then
    local wait = capacity < 1 and math.huge or LEASE_WAIT
    if wait > longest then longest, short = wait, n - 1 end
  end
end

if short >= 0 then
  local reply = { 0, short, longest < 1e12 and math.ceil(longest * 1000) or -1 }
  for i = 1, buckets do reply[i + 3] = floor(top[i] - before[i]) end
  for i = buckets + 1, n do reply[i + 3] = slots[i] end
  return reply
end

local reply = { 1, -1, 0 }
n = 0
for h = 1, hashes do
  local key, values, drain = KEYS[h + 1], {}, 0
  for f = 1, shape:byte(h) do
    n = n + 1
    values[2 * f - 1], values[2 * f] = ARGV[4 + n], pack('<dd', after[n], now)
    reply[n + 3] = floor(top[n] - after[n])
    if drains[n] > drain then drain = drains[n] end
  end
  call('HSET', key, unpack(values))
  -- An idle partition vanishes a second after it has drained; what never refills stays. GT never shortens, but counts
  -- a key without a TTL as endless, so that a new key needs its first one without it.
  if drain > 1e9 then
    call('PERSIST', key)
  elseif created[h] then
    call('PEXPIRE', key, floor(drain * 1000) + 1000)
  else
    call('PEXPIRE', key, floor(drain * 1000) + 1000, 'GT')
  end
end
local expiry = now_ms + ttl
for k = hashes + 2, keys do
  n = n + 1
  reply[n + 3] = slots[n]
  if taking then
    reply[n + 3] = slots[n] - 1
    call('ZADD', KEYS[k], expiry, exchange)
    call('PEXPIRE', KEYS[k], ttl)
  end
end
call('ZADD', KEYS[1], expiry, exchange)
call('PEXPIRE', KEYS[1], ttl + SWEEP)
-- What crashed holders left behind is swept by one take in 64: it no longer counts, it only takes room.
if time[2] % 64 == 0 then
  call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms - SWEEP)
  for k = hashes + 2, keys do call('ZREMRANGEBYSCORE', KEYS[k], '-inf', now_ms) end
end
return reply
