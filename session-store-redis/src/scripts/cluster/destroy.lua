-- destroy (D1, D2) and destroy_if (D4): KEYS the session; ARGV only if it is this user's, or '', and only if it is at
-- this version, or ''. It gives user and mark, whose entry is to be removed afterwards: the other order would
-- leave a live session unlisted. REMOVED is a corrupt record that was removed.
local key, user, version = KEYS[1], ARGV[1], ARGV[2]

local record = read(key)
if not record then return { 'NOTHING' } end
if record == CORRUPT then
  if version ~= '' then return { 'CORRUPT' } end
  redis.call('DEL', key)
  return { 'REMOVED' }
end
if user ~= '' and record.user ~= user then return { 'NOTHING' } end
if version ~= '' and record.version ~= version then return { 'CONFLICT' } end
redis.call('DEL', key)
return { 'OK', record.user, string.format('%.0f', record.mark) }
