-- Correct what was taken to what it cost, once, and release leases; or post a debt made elsewhere, once.
--
-- KEYS  where the exchange is marked (as in take.lua), or where batches are; one hash a partition; other leases.
-- ARGV  shape, numbers, field… as in take.lua
--       mode     'settle': only if the mark is there, which it takes away; 'post': only if it is not, and it puts it there
--       member   the exchange, or the batch
--       deltas   '<d' for each bucket, added to what is in use; never below nothing in use
-- Reply 1 if it was applied, 0 if it had been before (or the take never happened).
local call, pack, read, floor, KEYS, ARGV = redis.call, struct.pack, struct.unpack, math.floor, KEYS, ARGV
local POSTED = 86400000 -- ms that a batch is remembered
local shape, numbers, args = ARGV[1], ARGV[2], #ARGV
local member, deltas = ARGV[args - 1], ARGV[args]
local hashes = #shape
local time = call('TIME')
local now = time[1] * 1000000 + time[2]

for k = hashes + 2, #KEYS do call('ZREM', KEYS[k], member) end
if ARGV[3] == 'settle' then
  if call('ZREM', KEYS[1], member) == 0 then return 0 end
else
  local now_ms = floor(now / 1000)
  if call('ZADD', KEYS[1], 'NX', now_ms + POSTED, member) == 0 then return 0 end
  call('PEXPIRE', KEYS[1], POSTED)
  call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms)
end

local n = 0
for h = 1, hashes do
  local key, count, first = KEYS[h + 1], shape:byte(h), n + 4
  local states, writes, w, drain, known = false, {}, 0, 0, false
  for f = 1, count do
    local delta = read('<d', deltas, n * 8 + 1)
    if delta ~= 0 and delta > -1e18 and delta < 1e18 then
      states = states or call('HMGET', key, unpack(ARGV, first, first + count - 1))
      local state, used = states[f], 0
      local _, rate = read('<dd', numbers, n * 16 + 1)
      if state then
        local at
        known = true
        used, at = read('<dd', state)
        if now > at then
          used = used - (now - at) * 0.000001 * rate
          if used < 0 then used = 0 end
        end
      end
      used = used + delta
      if used < 0 then used = 0 end
      -- What only gives back has the time to live that its take gave it.
      if delta > 0 and used > drain * rate then drain = used / rate end
      writes[w + 1], writes[w + 2] = ARGV[first + f - 1], pack('<dd', used, now)
      w = w + 2
    end
    n = n + 1
  end
  if w > 0 then
    local created = not known and call('EXISTS', key) == 0
    call('HSET', key, unpack(writes))
    if drain > 1e9 then
      call('PERSIST', key)
    elseif created then
      call('PEXPIRE', key, floor(drain * 1000) + 1000)
    elseif drain > 0 then
      call('PEXPIRE', key, floor(drain * 1000) + 1000, 'GT')
    end
  end
end
return 1
