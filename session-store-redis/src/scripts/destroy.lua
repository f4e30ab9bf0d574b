-- destroy (D1, D2) and clear (C1): KEYS any number of sessions; ARGV the prefix of the indexes. It gives
-- the number of live sessions that it ended.
local prefix, ended = ARGV[1], 0

for _, key in ipairs(KEYS) do
  local record = read(key)
  redis.call('DEL', key)
  if record and record ~= CORRUPT then
    unlist(prefix, record.user, key)
    ended = ended + 1
  end
end
return ended
