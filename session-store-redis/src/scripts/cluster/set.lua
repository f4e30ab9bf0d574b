-- set (S1 to S8), import (W1), and the writing of a rotation's new key: KEYS the session; ARGV mode, version, expected,
-- idle, absolute, owner, user, data, created_at or '', and a mark with its user, or '' and ''; of an import, also
-- last_seen_at, expires_at and deadline.
--
-- A write that changes the owner, or lives longer, needs a mark in the user's index first: then it changes
-- nothing and says MARK, the user, and for how long. A mark older than 30 s is refused, because a repair
-- may remove its entry once that is 60 s old. After a write it gives user and mark of the entry that is to
-- be removed, or nothing.
local key, mode, version, expected = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local idle, absolute, owner, user, data = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8]
local created, mark, marked_user = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]

local before = read(key)
local refused = refusal(mode, before, expected)
if refused then return { refused } end

local time = micros()
local now = math.floor(time / 1000)
local record
if mode == 'import' then
  record = { created = created, seen = tonumber(ARGV[12]), version = version, mark = 0, user = user }
  record.expires, record.deadline = tonumber(ARGV[13]), tonumber(ARGV[14])
  if record.expires <= now then return { 'MISSING' } end
else
  record = written(before, now, created, version, idle, absolute, owner, user)
end
local lives = record.expires > now
if lives and record.user ~= '' then
  local kept = before and before.user == record.user and before.mark > 0 and record.deadline <= before.deadline
  if mark and marked_user == record.user and time - mark <= 30000000 then
    record.mark = mark
  elseif kept then
    record.mark = before.mark
  else
    return { 'MARK', record.user, record.deadline - now }
  end
end
write(key, record, now, data)
if before and before.user ~= '' and (not lives or before.user ~= record.user) then
  return { 'OK', before.user, string.format('%.0f', before.mark) }
end
return { 'OK' }
