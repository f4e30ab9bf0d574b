-- touch (T1 to T5): KEYS the session; ARGV idle. Also on Cluster.
local key, idle = KEYS[1], tonumber(ARGV[1])

local record = read(key)
if record == CORRUPT then return 'CORRUPT' end
if not record then return 'MISSING' end

local now = millis()
local seen = math.max(record.seen, now)
local expires = math.max(record.expires, math.min(now + idle, record.deadline))
redis.call('SETRANGE', key, 7, struct.pack('>I6I6', seen, expires))
if expires > record.expires then redis.call('PEXPIREAT', key, expire_at(expires)) end
return 'OK'
