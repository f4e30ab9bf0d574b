-- All of a user's index: KEYS the index. It gives the clock that its marks are of, then pairs of key and
-- mark.
local found = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
table.insert(found, 1, string.format('%.0f', micros()))
return found
