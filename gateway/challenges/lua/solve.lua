-- Note for whom a solver passes, and count for how many lately.
--
-- KEYS  sorted set: subjects by Unix time
-- ARGV  subject; now and the beginning of what is lately, both Unix time in seconds; how many are kept;
--       milliseconds that the set lives
-- Reply how many.
local call, key = redis.call, KEYS[1]
local kind = call('TYPE', key).ok
if kind ~= 'zset' and kind ~= 'none' then call('DEL', key) end
-- GT: a clock that is behind makes nothing older.
call('ZADD', key, 'GT', ARGV[2], ARGV[1])
call('ZREMRANGEBYRANK', key, 0, -1 - ARGV[4])
if call('PTTL', key) < ARGV[5] + 0 then call('PEXPIRE', key, ARGV[5]) end
return call('ZCOUNT', key, '(' .. ARGV[3], '+inf')
