-- Correct what was taken to what it cost, once, and release leases; or post a debt made elsewhere, once.
--
-- KEYS  markers of the tag (in flight, or batches posted); one hash a partition; one sorted set a lease.
-- ARGV  shape, numbers, field… as in take.lua, of which the leases' numbers are not read
--       mode     'settle': only if the marker is there, which it takes away; 'post': only if it is not, and it puts it there
--       member   the exchange, or the batch
--       deltas   '<d' for each bucket, added to what is in use; never below nothing in use
-- Reply 1 if it was applied, 0 if it had been before (or the take never happened).
local call, pack, read, floor = redis.call, struct.pack, struct.unpack, math.floor
local POSTED = 86400000 -- ms that a batch is remembered
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local shape, numbers, mode = ARGV[1], ARGV[2], ARGV[3]
local member, deltas = ARGV[#ARGV - 1], ARGV[#ARGV]
local hashes = #shape

for k = hashes + 2, #KEYS do call('ZREM', KEYS[k], member) end
if mode == 'settle' then
  if call('ZREM', KEYS[1], member) == 0 then return 0 end
else
  local now_ms = floor(now / 1000)
  if call('ZADD', KEYS[1], 'NX', now_ms + POSTED, member) == 0 then return 0 end
  call('PEXPIRE', KEYS[1], POSTED)
  call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms)
end

local n = 0
for h = 1, hashes do
  local key, count = KEYS[h + 1], shape:byte(h)
  local values, places, drain, known = {}, {}, 0, false
  for f = 1, count do
    local delta = read('<d', deltas, (n + f - 1) * 8 + 1)
    if delta ~= 0 and delta > -1e18 and delta < 1e18 then
      places[#places + 1], values[#values + 1] = f, delta
    end
  end
  if #places > 0 then
    local states = call('HMGET', key, unpack(ARGV, 4 + n, 3 + n + count))
    local writes = {}
    for i = 1, count do known = known or states[i] end
    local created = not known and call('EXISTS', key) == 0
    for i = 1, #places do
      local f = places[i]
      local _, rate = read('<dd', numbers, (n + f - 1) * 16 + 1)
      local used = 0
      if states[f] then
        local at
        used, at = read('<dd', states[f])
        if now > at then
          used = used - (now - at) * 0.000001 * rate
          if used < 0 then used = 0 end
        end
      end
      used = used + values[i]
      if not (used > 0) then used = 0 end
      if used > 0 and used / rate > drain then drain = used / rate end
      writes[2 * i - 1], writes[2 * i] = ARGV[3 + n + f], pack('<dd', used, now)
    end
    call('HSET', key, unpack(writes))
    if drain > 1e9 then
      call('PERSIST', key)
    elseif created then
      call('PEXPIRE', key, floor(drain * 1000) + 1000)
    else
      call('PEXPIRE', key, floor(drain * 1000) + 1000, 'GT')
    end
  end
  n = n + count
end
return 1
