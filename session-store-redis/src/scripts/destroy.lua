-- destroy (D1, D2), destroy_if (D4) and clear (C1): KEYS any number of sessions; ARGV the prefix of the indexes, and the
-- only version at which a session is ended, or ''. It gives how many live sessions it ended, and how many records it
-- removed, corrupt ones included (Z2); or why it removed nothing.
local prefix, version, ended, removed = ARGV[1], ARGV[2], 0, 0

for _, key in ipairs(KEYS) do
  local record = read(key)
  if record and version ~= '' then
    if record == CORRUPT then return 'CORRUPT' end
    if record.version ~= version then return 'CONFLICT' end
  end
  redis.call('DEL', key)
  if record then removed = removed + 1 end
  if record and record ~= CORRUPT then
    unlist(prefix, record.user, key)
    ended = ended + 1
  end
end
return { ended, removed }
