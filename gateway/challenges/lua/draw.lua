-- Take from a budget what there is, up to what is wanted.
--
-- KEYS  the budget
-- ARGV  wanted
-- Reply how many were taken; -1 where what is there is no budget.
--
-- A budget that is not there is spent: it is made with its clearance, and nobody makes it again.
local left = redis.pcall('GET', KEYS[1])
if not left then return 0 end
if type(left) ~= 'string' or not left:match('^%d+$') or #left > 15 then return -1 end
local taken = math.min(left + 0, ARGV[1] + 0)
if taken > 0 then redis.call('DECRBY', KEYS[1], string.format('%.0f', taken)) end
return taken
