-- Note for whom a solver passes first, and tell the rank of the subject among those of lately.
--
-- KEYS  sorted set: subjects by the Unix time at which each was first noted
-- ARGV  subject; now and the beginning of what is lately, both Unix time in seconds; how many are kept;
--       milliseconds that the set lives
-- Reply the rank: 1 for the first. Who came later changes nothing for those before.
local call, key = redis.call, KEYS[1]
local kind = call('TYPE', key).ok
if kind ~= 'zset' and kind ~= 'none' then call('DEL', key) end
local first = call('ZSCORE', key, ARGV[1])
if not first or first + 0 <= ARGV[3] + 0 then
  if not first and call('ZCARD', key) >= ARGV[4] + 0 then
    call('ZREMRANGEBYSCORE', key, '-inf', ARGV[3])
    local kept = call('ZCARD', key)
    -- The first stay: a crowd that is refused drives out nobody who has passed.
    if kept >= ARGV[4] + 0 then return kept + 1 end
  end
  call('ZADD', key, ARGV[2], ARGV[1])
end
if call('PTTL', key) < ARGV[5] + 0 then call('PEXPIRE', key, ARGV[5]) end
return call('ZRANK', key, ARGV[1]) + 1 - call('ZCOUNT', key, '-inf', ARGV[3])
