-- A piece of prune (P1, L4): KEYS an index; ARGV the prefix of the sessions, the prefix of the indexes,
-- the key to begin after or '', the most entries to look at, the most to remove. It gives how many
-- entries without a session it removed, and the key to go on after, or '' at the end.
local index, prefix, user = KEYS[1], ARGV[1], string.sub(KEYS[1], #ARGV[2] + 1)
local after, count, limit = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

local removed = 0
local members = redis.call('ZRANGEBYLEX', index, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, count)
for _, member in ipairs(members) do
  if removed == limit then break end
  local record = read(prefix .. member)
  if not record or (record ~= CORRUPT and record.user ~= user) then
    redis.call('ZREM', index, member)
    removed = removed + 1
  end
end
return { removed, #members == count and members[count] or '' }
