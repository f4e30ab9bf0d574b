-- Marks that a session is about to be written: KEYS the user's index; ARGV the key, and for how long the
-- session may live. It gives the mark, in microseconds, which the session's record will keep.
--
-- The mark is later than every one before it, so that whoever removes the entry of a record, by the mark
-- of that record, cannot take the entry of a newer one (see unlist.lua).
local index, member, life = KEYS[1], ARGV[1], tonumber(ARGV[2])

local mark, before = micros(), redis.call('ZSCORE', index, member)
if before and tonumber(before) >= mark then mark = tonumber(before) + 1 end
mark = string.format('%.0f', mark)
redis.call('ZADD', index, mark, member)
-- Two minutes longer than the session, which is written up to 30 s later, on a node with another clock.
if redis.call('PTTL', index) < life + 120000 then redis.call('PEXPIRE', index, life + 120000) end
return mark
