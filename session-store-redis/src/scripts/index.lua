-- Where session and index are on one server: the sorted set of a user, all of score 0, so that it is in
-- the order of the keys. It changes in the script that changes the session (S7, L1).

-- Names a session in its user's index, before the session is written: what fails here, fails whole.
local function list(prefix, user, key, deadline, now)
  local index, member = prefix .. user, string.sub(key, -32)
  local is_new = redis.call('ZADD', index, 0, member) == 1
  -- No key without a TTL, and no index that expires before its sessions; EXPIREAT GT needs Redis 7.
  if now + redis.call('PTTL', index) < deadline then redis.call('PEXPIREAT', index, deadline) end
  if not is_new then return end
  -- Each new entry looks at two old ones, so that an index does not grow by sessions that expired.
  for _, old in ipairs(redis.call('ZRANDMEMBER', index, 2)) do
    if old ~= member and redis.call('EXISTS', string.sub(key, 1, -33) .. old) == 0 then
      redis.call('ZREM', index, old)
    end
  end
end

-- After the session was ended, or given to another user. A key of another type in the index's place lists
-- nothing, and is no reason to fail half-way.
local function unlist(prefix, user, key)
  if user == '' then return end
  local removed = redis.pcall('ZREM', prefix .. user, string.sub(key, -32))
  if type(removed) == 'table' and not string.find(removed.err, 'WRONGTYPE', 1, true) then error(removed.err) end
end
