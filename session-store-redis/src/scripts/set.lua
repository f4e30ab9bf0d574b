-- set (S1 to S8): KEYS the session; ARGV mode, version, expected, idle, absolute, owner, user, data, and
-- the prefix of the indexes.
local key, mode, version, expected = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local idle, absolute, owner, user, data, prefix = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8], ARGV[9]

local before = read(key)
local refused = refusal(mode, before, expected)
if refused then return refused end

local now = millis()
local record = written(before, now, nil, version, idle, absolute, owner, user)
local lives = record.expires > now
if lives and record.user ~= '' then list(prefix, record.user, key, record.deadline, now) end
write(key, record, now, data)
if before and (not lives or before.user ~= record.user) then unlist(prefix, before.user, key) end
return 'OK'
