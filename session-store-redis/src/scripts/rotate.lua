-- rotate (R1 to R4): KEYS from and to; ARGV version, expected or '', idle, absolute, owner, user, data,
-- and the prefix of the indexes. Both keys and the index change in one step.
local from, to, version, expected = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local idle, absolute, owner, user, data, prefix = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7], ARGV[8]

local before = read(from)
local refused = refusal(expected == '' and 'replace' or 'update', before, expected)
if refused then return refused end
local target = read(to)
if target == CORRUPT then return 'TO_CORRUPT' end
if target then return 'TO_EXISTS' end

local now = millis()
local record = written(before, now, nil, version, idle, absolute, owner, user)
local lives = record.expires > now
if lives and record.user ~= '' then list(prefix, record.user, to, record.deadline, now) end
write(to, record, now, data)
redis.call('DEL', from)
unlist(prefix, before.user, from)
return 'OK'
