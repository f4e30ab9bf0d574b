-- get_if_changed (G5) of any number of sessions: KEYS the sessions; ARGV the version that the caller holds of each. It
-- gives the head alone if that is the session's version, else the whole record; nothing if no session is there.
local answers = {}
for number, key in ipairs(KEYS) do
  local raw, _, _, _, _, length = head(key)
  if raw == CORRUPT then
    -- One byte that is no record stands for what cannot be read.
    answers[number] = '\0'
  elseif not raw then
    answers[number] = false
  elseif string.sub(raw, 26, 41) == ARGV[number] then
    answers[number] = string.sub(raw, 1, 50 + length)
  else
    answers[number] = redis.call('GET', key)
  end
end
return answers
