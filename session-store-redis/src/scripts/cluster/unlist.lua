-- Removes an entry of an index: KEYS the index; ARGV the key, and the mark of the record that is no more.
-- Where a newer write has marked the key since, the entry stays.
local index, member, mark = KEYS[1], ARGV[1], ARGV[2]

local score = redis.call('ZSCORE', index, member)
if score and tonumber(score) == tonumber(mark) then return redis.call('ZREM', index, member) end
return 0
