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

-- What a key begins with; CORRUPT where it is no string.
local function first_bytes(key, last)
  local raw = redis.pcall('GETRANGE', key, '0', last)
  if type(raw) == 'string' then return raw end
  if string.find(raw.err, 'WRONGTYPE', 1, true) then return CORRUPT end
  error(raw.err)
end

-- What a record begins with, its user at least, then its times and the length of the user; nil where no session is,
-- CORRUPT where something else is (Z1), and then what is there.
local function head(key)
  -- As much as nearly every head has: long strings are what costs a script most.
  local raw = first_bytes(key, '81')
  if raw == CORRUPT then return CORRUPT end
  local layout = string.byte(raw)
  if not layout or (layout == 2 and #raw == 17) then return nil, raw end
  if layout ~= 1 or #raw < 50 then return CORRUPT end
  local created, seen, expires, deadline = struct.unpack('>I6I6I6I6', raw, 2)
  local length = struct.unpack('>I2', raw, 49)
  if length > 32 then raw = first_bytes(key, '305') end
  if #raw < 50 + length or created >= deadline or expires > deadline then return CORRUPT end
  return raw, created, seen, expires, deadline, length
end
