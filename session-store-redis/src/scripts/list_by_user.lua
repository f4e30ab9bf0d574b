-- list_by_user (L1 to L3): KEYS the index; ARGV the prefix of the sessions, the key to begin after or '',
-- the most entries. It gives pairs of key and head, '' where the session is gone; it removes nothing.
local index, prefix, after, count = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local found = {}
local members = redis.call('ZRANGEBYLEX', index, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, count)
for _, member in ipairs(members) do
  local record, raw = read(prefix .. member)
  found[#found + 1] = member
  -- One byte that is no record stands for what cannot be read.
  found[#found + 1] = record == CORRUPT and '\0' or (record and string.sub(raw, 1, 50 + record.user_length) or '')
end
return found
