-- Replace a record, if it is still the one that was read; tell everybody in the same step.
--
-- KEYS  the record; a budget for each new clearance; in all but a Cluster, the stream.
-- ARGV  expected  version of the record that was read; 0 where none was there, or none that could be read
--       known     the highest version that the caller has seen: higher, where Redis has lost some
--       rest      what a record is after its version
--       ttl       milliseconds that it lives
--       rule, subject
--       longest   entries that the stream keeps, about
--       then for each budget: exchanges, milliseconds that it lives
-- Reply 1, the new version, whether the stream took it (1, 0); or 0 and the record that is there.
--
-- A version is the microsecond of this server, and always higher than the one before: so a record that Redis lost and
-- that is made anew is still newer than what somebody remembers.
local call, pcall, KEYS, ARGV = redis.call, redis.pcall, KEYS, ARGV
local HIGHEST = 9000000000000000 -- Doubles count one by one up to here, and somewhat further.
local BUDGETS = 8
local record, stored = pcall('GET', KEYS[1]), 0
-- Another type is an error here, and overwritten below: whoever put it there.
if type(record) == 'string' then
  local digits = record:match('^(%d+) ')
  if digits and #digits <= 16 and digits + 0 <= HIGHEST then stored = digits + 0 end
else
  record = ''
end
if stored ~= ARGV[1] + 0 then return { 0, record } end

local time = call('TIME')
local version = math.max(time[1] * 1000000 + time[2], stored + 1, ARGV[2] + 1)
local written = string.format('%.0f ', version) .. ARGV[3]
local key = 2
for i = BUDGETS, #ARGV, 2 do
  -- NX: where a challenge is passed again because Redis lost that it was, what was drawn stays drawn.
  call('SET', KEYS[key], ARGV[i], 'PX', ARGV[i + 1], 'NX')
  key = key + 1
end
call('SET', KEYS[1], written, 'PX', ARGV[4])
local told = 0
if KEYS[key] then
  local entry = pcall('XADD', KEYS[key], 'MAXLEN', '~', ARGV[7], '*', 'r', ARGV[5], 's', ARGV[6], 'v', written)
  if type(entry) == 'string' then told = 1 end
end
return { 1, string.format('%.0f', version), told }
