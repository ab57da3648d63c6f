-- Take from every bucket, or from none.
--
-- KEYS  where the exchange is marked as in flight; one hash a partition; the other sorted sets of leases. If there is a
--       lease, the first one is the mark, and so the first key.
-- ARGV  shape    one byte a hash: how many of its buckets are asked
--       numbers  '<dd' capacity, units a second for each bucket; then '<d' capacity for each lease
--       ttl      milliseconds that a lease lives without renewal; 0 for `more`: leases are neither checked nor taken
--       field…   names of the buckets, in the order of the hashes
--       exchange
--       costs    '<d' for each bucket
-- Reply granted (1, 0); index of the take with the longest wait (-1: none); that wait in ms, rounded up (-1: never);
--       for each bucket, then each lease: what is left, rounded down.
--
-- A bucket is '<dd' used, at: units in use, and the microsecond of that figure by this server's clock. The limit's
-- numbers are not stored, so a changed limit keeps its usage. A clock that goes back refills nothing.
-- A lease is an exchange in a sorted set, by the ms until which it counts. It stays for SWEEP after that as a mark.
local call, pack, read, floor, KEYS, ARGV = redis.call, struct.pack, struct.unpack, math.floor, KEYS, ARGV
local SLACK = 0.000001 -- units by which a sum of doubles may be off
local LEASE_WAIT = 1 -- seconds: nobody knows when a running exchange will end
local SWEEP = 600000 -- ms that a mark outlives its last renewal, so that a late settle still finds it
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = floor(now / 1000)
local shape, numbers, ttl, args, keys = ARGV[1], ARGV[2], ARGV[3] + 0, #ARGV, #KEYS
local exchange, costs = ARGV[args - 1], ARGV[args]
local hashes = #shape
local longest, n = -1, 0
local reply, before, writes, drains = { 1, -1, 0 }, {}, {}, {}

for h = 1, hashes do
  local key, count, first, drain = KEYS[h + 1], shape:byte(h), n + 4, 0
  local states = call('HMGET', key, unpack(ARGV, first, first + count - 1))
  local values, known = {}, false
  for f = 1, count do
    local capacity, rate = read('<dd', numbers, n * 16 + 1)
    local cost = read('<d', costs, n * 8 + 1)
    local state, used = states[f], 0
    if state then
      local at
      known = true
      used, at = read('<dd', state)
      if now > at then
        used = used - (now - at) * 0.000001 * rate
        if used < 0 then used = 0 end
      end
    end
    if not (cost > 0) then cost = 0 end
    if cost > capacity then cost = capacity end
    local wanted = used + cost
    if wanted > capacity + SLACK or capacity <= 0 then
      local wait = math.huge
      if capacity > 0 and rate > 0 then wait = (wanted - capacity) / rate end
      if wait > longest then longest, reply[2] = wait, n end
    end
    if wanted > drain * rate then drain = wanted / rate end
    values[2 * f - 1], values[2 * f] = ARGV[first + f - 1], pack('<dd', wanted, now)
    n = n + 1
    before[n], reply[n + 3] = capacity + SLACK - used, floor(capacity + SLACK - wanted)
  end
  -- An idle partition vanishes a second after it has drained; what never refills stays. GT never shortens, but counts a
  -- key without a TTL as endless: so a new key gets its first TTL without it, which is told by a negative number.
  drain = drain > 1e9 and 0 or floor(drain * 1000) + 1000
  if not known and call('EXISTS', key) == 0 then drain = -drain end
  writes[h], drains[h] = values, drain
end

local buckets, leases = n, #numbers / 8 - 2 * n
for i = 1, leases do
  local capacity = floor(read('<d', numbers, buckets * 16 + i * 8 - 7))
  local free = capacity - call('ZCOUNT', KEYS[i == 1 and 1 or hashes + i], now_ms + 1, '+inf')
  n = n + 1
  before[n], reply[n + 3] = free, ttl > 0 and free - 1 or free
  if ttl > 0 and free < 1 then
    local wait = capacity < 1 and math.huge or LEASE_WAIT
    if wait > longest then longest, reply[2] = wait, n - 1 end
  end
end

if longest >= 0 then
  reply[1], reply[3] = 0, longest < 1e12 and math.ceil(longest * 1000) or -1
  for i = 1, n do reply[i + 3] = floor(before[i]) end
  return reply
end

for h = 1, hashes do
  local key, ms = KEYS[h + 1], drains[h]
  call('HSET', key, unpack(writes[h]))
  if ms > 0 then
    call('PEXPIRE', key, ms, 'GT')
  elseif ms < 0 then
    call('PEXPIRE', key, -ms)
  else
    call('PERSIST', key)
  end
end
-- What crashed holders left behind is swept by one take in 64: it no longer counts, it only takes room.
local sweep = time[2] % 64 == 0
for i = 1, leases > 1 and ttl > 0 and leases or 1 do
  local key = KEYS[i == 1 and 1 or hashes + i]
  call('ZADD', key, now_ms + ttl, exchange)
  call('PEXPIRE', key, ttl + SWEEP)
  if sweep then call('ZREMRANGEBYSCORE', key, '-inf', now_ms - SWEEP) end
end
return reply
