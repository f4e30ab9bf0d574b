-- Records as a whole, where one script is about few of them.

-- The record of a key; nil where no session is, CORRUPT where something else is. Then what is there.
local function read(key)
  local raw, created, seen, expires, deadline, length = head(key)
  if not raw then return nil, created end
  if raw == CORRUPT then return CORRUPT end
  local record = { created = created, seen = seen, expires = expires, deadline = deadline, user_length = length }
  record.version, record.mark = string.sub(raw, 26, 41), struct.unpack('>I7', raw, 42)
  record.user = string.sub(raw, 51, 50 + length)
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
