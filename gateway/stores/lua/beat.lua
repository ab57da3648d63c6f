-- A worker says that it lives, and hears how many do.
--
-- KEYS  the fleet's sorted set.
-- ARGV  ttl in milliseconds (0: it leaves); the worker.
local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
local ttl = tonumber(ARGV[1])
if ttl == 0 then
  redis.call('ZREM', KEYS[1], ARGV[2])
else
  redis.call('ZADD', KEYS[1], now_ms + ttl, ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ttl)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms)
return redis.call('ZCARD', KEYS[1])
