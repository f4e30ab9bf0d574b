-- A piece of destroy_by_user (B1): KEYS the index; ARGV the prefix of the sessions, the user, the key to
-- spare or '', the key to begin after or '', the most entries. It gives how many live sessions it ended, how many
-- entries it removed, and the key to go on after, or '' at the end.
local index, prefix, user, except = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local after, count = ARGV[4], tonumber(ARGV[5])

local ended, removed = 0, 0
local members = redis.call('ZRANGEBYLEX', index, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, count)
for _, member in ipairs(members) do
  if member ~= except then
    local record = read(prefix .. member)
    -- Corrupt records of the user's index go as well (Z2, Z3); another user's session stays (L2).
    if record == CORRUPT or (record and record.user == user) then redis.call('DEL', prefix .. member) end
    if record and record ~= CORRUPT and record.user == user then ended = ended + 1 end
    redis.call('ZREM', index, member)
    removed = removed + 1
  end
end
return { ended, removed, #members == count and members[count] or '' }
