-- set (S1 to S8), touch (T1 to T5) and import (W1) of any number of sessions, in their order: KEYS the sessions; ARGV
-- the prefix of the indexes, then two for each session: what is done, and the record. One script for many, because the
-- call of a script costs more than a change. Each is answered for itself: one that fails changes nothing, and fails no
-- other.
--
-- A touch is its idle time in 6 bytes, without a record. A set or an import is
--    0  mode: 1 create, 2 replace, 3 update, 4 upsert, 5 import
--    1  owner: 1 keeps the one that there is
--    2  of a set: idle, absolute: 6 bytes each
--   14            the version that an update expects: 16 bytes
--    2  of an import: created_at, last_seen_at, expires_at, deadline: 6 bytes each; then 4 blank ones
--   30  user
-- with a record of that user whose times are blank. It is not put together here: a string of the data's length
-- costs a script as much as all the rest.
local prefix, now = ARGV[1], millis()

-- Numbers that are the same for most sessions of a batch.
local texts = {}
local function pxat(expires)
  local text = texts[expires] or string.format('%.0f', expire_at(expires))
  texts[expires] = text
  return text
end

local function refusal(raw, mode, done)
  if not raw then return (mode == 2 or mode == 3) and 'MISSING' or nil end
  if mode == 1 then return 'EXISTS' end
  if mode == 3 and string.sub(raw, 26, 41) ~= string.sub(done, 15, 30) then return 'CONFLICT' end
end

-- Writes all of a record at once (S5), or removes it if it is dead at once (S6). The record before expired at `before`.
local function write(key, record, created, seen, expires, deadline, before)
  if expires <= now then
    redis.call('DEL', key)
    return false
  end
  local times = struct.pack('>I6I6I6I6', created, seen, expires, deadline)
  if expires == before then
    redis.call('SET', key, record, 'KEEPTTL')
  else
    redis.call('SET', key, record, 'PXAT', pxat(expires))
  end
  -- If the key is gone by then, or the user lacks the right, in one slower step: nothing is left half-written.
  if redis.pcall('SETRANGE', key, '1', times) ~= #record then
    redis.call('SET', key, '\1' .. times .. string.sub(record, 26), 'PXAT', pxat(expires))
  end
  return true
end

local function set(key, done, record)
  local mode, keeps, idle, absolute = struct.unpack('>BBI6I6', done)
  local raw, created, _, expired, ended, length = head(key)
  if raw == CORRUPT then return 'CORRUPT' end
  local refused = refusal(raw, mode, done)
  if refused then return refused end

  local old = raw and string.sub(raw, 51, 50 + length) or ''
  local user = keeps == 1 and old or string.sub(done, 31)
  if keeps == 1 and old ~= '' then
    record = string.sub(record, 1, 48) .. string.sub(raw, 49, 50 + length) .. string.sub(record, 51)
  end
  if not raw then created = now end
  local seen, deadline = now, created + absolute
  local expires = math.min(now + idle, deadline)
  if mode == 5 then
    created, seen, expires, deadline = struct.unpack('>I6I6I6I6', done, 3)
    if expires <= now then return 'MISSING' end
  end
  -- An entry that is there stays as long as its session may live.
  local is_listed = user == old and raw and deadline <= ended
  if expires > now and user ~= '' and not is_listed then list(prefix, user, key, deadline, now) end
  local lives = write(key, record, created, seen, expires, deadline, expired)
  if not lives or old ~= user then unlist(prefix, old, key) end
  return 'OK'
end

local function touch(key, done)
  local raw, _, seen, expires, deadline = head(key)
  if raw == CORRUPT then return 'CORRUPT' end
  if not raw then return 'MISSING' end
  local later = math.max(expires, math.min(now + struct.unpack('>I6', done), deadline))
  redis.call('SETRANGE', key, '7', struct.pack('>I6I6', math.max(seen, now), later))
  if later > expires then redis.call('PEXPIREAT', key, pxat(later)) end
  return 'OK'
end

local answers = {}
for number, key in ipairs(KEYS) do
  local done, record = ARGV[2 * number], ARGV[2 * number + 1]
  local worked, answer = pcall(#done == 6 and touch or set, key, done, record)
  -- Before Redis 7, an error inside a script is a text.
  if not worked and type(answer) == 'string' then answer = { err = 'ERR Error running script: ' .. answer } end
  answers[number] = answer
end
return answers
