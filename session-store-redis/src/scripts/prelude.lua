-- Before every script: the record and the server's clock.
--
-- A record is one string, its numbers big-endian, so that `get` is one GET and a touch writes twelve
-- bytes in place:
--    0  layout: 1
--    1  created_at, last_seen_at, expires_at, deadline: milliseconds, 6 bytes each
--   25  version: 16 bytes
--   41  mark: 7 bytes; where the user's index is in another slot, see cluster/mark.lua
--   48  length of the user: 2 bytes
--   50  user, then data
-- On Cluster, a session that a rotation gave a new key leaves a 2 and the new version, for a minute.

local CORRUPT = {}

-- A key is readable at its PXAT itself, so that is one millisecond before the expiry (G1).
local function expire_at(expires) return expires - 1 end

local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function millis() return math.floor(micros() / 1000) end

-- The record of a key; nil where no session is, CORRUPT where something else is (Z1).
local function read(key)
  local raw = redis.pcall('GETRANGE', key, 0, 305)
  if type(raw) == 'table' then
    if string.find(raw.err, 'WRONGTYPE', 1, true) then return CORRUPT end
    error(raw.err)
  end
  if raw == '' or (string.byte(raw) == 2 and #raw == 17) then return nil, raw end
  if string.byte(raw) ~= 1 or #raw < 50 then return CORRUPT end
  local record = {}
  record.created, record.seen, record.expires, record.deadline = struct.unpack('>I6I6I6I6', raw, 2)
  record.version = string.sub(raw, 26, 41)
  record.mark, record.user_length = struct.unpack('>I7I2', raw, 42)
  record.user = string.sub(raw, 51, 50 + record.user_length)
  if #record.user ~= record.user_length or record.created >= record.deadline
    or record.expires > record.deadline then
    return CORRUPT
  end
  return record, raw
end

-- Writes all of a record at once (S5), or removes it where it is dead at once (S6).
local function write(key, record, now, data)
  if record.expires <= now then
    redis.call('DEL', key)
    return
  end
  local head = struct.pack('>I6I6I6I6', record.created, record.seen, record.expires, record.deadline)
  local index = struct.pack('>I7I2', record.mark, #record.user)
  redis.call('SET', key, '\1' .. head .. record.version .. index .. record.user .. data,
    'PXAT', expire_at(record.expires))
end

-- What a write leaves behind: its times (S6) and its owner, '' for nobody.
local function written(before, now, created, version, idle, absolute, owner, user)
  local record = { created = created or (before and before.created) or now, seen = now, version = version, mark = 0 }
  record.deadline = record.created + absolute
  record.expires = math.min(now + idle, record.deadline)
  record.user = owner == 'keep' and (before and before.user or '') or user
  return record
end

-- The refusal of a write on a key, if it is refused (S1 to S3).
local function refusal(mode, before, expected)
  if before == CORRUPT then return 'CORRUPT' end
  if mode == 'create' and before then return 'EXISTS' end
  if (mode == 'replace' or mode == 'update') and not before then return 'MISSING' end
  if mode == 'update' and before.version ~= expected then return 'CONFLICT' end
end
