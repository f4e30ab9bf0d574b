-- The step that decides a rotation (R1, R3): KEYS from; ARGV the version that was read, the version of the
-- new key. A commit that meets its own tombstone has won, so it may be sent again (K3).
local key, version, new_version = KEYS[1], ARGV[1], ARGV[2]

local record, raw = read(key)
if record == CORRUPT then return 'CORRUPT' end
if not record then return raw == '\2' .. new_version and 'OK' or 'MISSING' end
if record.version ~= version then return 'CONFLICT' end
redis.call('SET', key, '\2' .. new_version, 'PX', 60000)
return 'OK'
