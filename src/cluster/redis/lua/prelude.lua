-- What the scripts share. A channel has these keys, all beginning with its topic:
--   :n  node -> its sockets; t the total, a the last arrival, c the count that was told last
--   :m  user -> arrival, nodes, info
--   :q  the number of the last event      :x  the events, where they are kept
--   :p  node -> the serial of its last event :e  the cached event
--   :d  exists for a while after a count was told, :z after a cache miss was told
local function text(s) return struct.pack('>I4', #s) .. s end

local function texts(all)
  local parts = { struct.pack('>I4', #all) }
  for _, one in ipairs(all) do parts[#parts + 1] = text(one) end
  return table.concat(parts)
end

local function member(value)
  local arrival, nodes = struct.unpack('>I8I2', value)
  return arrival, string.sub(value, 11, 10 + nodes * 8), string.sub(value, 11 + nodes * 8)
end

local function written(arrival, nodes, info)
  return struct.pack('>I8I2', arrival, #nodes / 8) .. nodes .. info
end

local function place(nodes, node)
  for at = 1, #nodes, 8 do
    if string.sub(nodes, at, at + 7) == node then return at end
  end
end

-- Takes a node off a user; true if it was the last.
local function withdraw(members, node, user, value)
  value = value or redis.call('HGET', members, user)
  if not value then return false end
  local arrival, nodes, info = member(value)
  local at = place(nodes, node)
  if not at then return false end
  nodes = string.sub(nodes, 1, at - 1) .. string.sub(nodes, at + 8)
  if nodes == '' then
    redis.call('HDEL', members, user)
    return true
  end
  redis.call('HSET', members, user, written(arrival, nodes, info))
  return false
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A node that was given up and speaks all the same is a node again: or what it says would stay behind
-- if it died before its next beat.
local function enlist(nodes, node, lease)
  if redis.call('HEXISTS', nodes, node) == 0 then
    local now = now_ms()
    redis.call('HSET', nodes, node, struct.pack('>I8I8', now + lease, now))
  end
end

-- Sets how many sockets a node has in a channel; returns what it had, and the totals before and after.
local function seats(base, occupied, name, node, count, kept_ms)
  local rows = base .. ':n'
  local had = tonumber(redis.call('HGET', rows, node) or '0')
  local before = tonumber(redis.call('HGET', rows, 't') or '0')
  local total = before - had + count
  if count ~= had then
    if count > 0 then redis.call('HSET', rows, node, count) else redis.call('HDEL', rows, node) end
    redis.call('HSET', rows, 't', total)
  end
  if before == 0 and total > 0 then
    if occupied then redis.call('ZADD', occupied, 0, name) end
    local time = redis.call('TIME')
    redis.call('SET', base .. ':q', string.format('%d%06d', time[1], time[2]), 'NX')
    redis.call('PERSIST', base .. ':q')
    redis.call('PERSIST', base .. ':p')
  elseif total <= 0 then
    redis.call('DEL', rows, base .. ':m')
    if occupied then redis.call('ZREM', occupied, name) end
    -- Who still hears the topic must not take another series for a hole: until nobody does, a channel
    -- that is occupied again goes on counting.
    redis.call('PEXPIRE', base .. ':q', kept_ms or 10000)
    -- Longer than an event waits to be sent again.
    redis.call('PEXPIRE', base .. ':p', kept_ms or 60000)
  end
  return had, before, total
end

-- Leaves are told to webhooks after a while, unless who left returns on whatever node.
local function hold(held, due, reference, user)
  redis.call('ZADD', held, due, reference .. '\0' .. user)
end

local function cancel(held, reference, user)
  return redis.call('ZREM', held, reference .. '\0' .. user) == 1
end

-- Whether the subscribers are to be told how many they are: 'no', 'told' or 'later'. Above a hundred
-- not more often than every five seconds.
local function count_told(base, total)
  local rows = base .. ':n'
  if total <= 0 or redis.call('HGET', rows, 'c') == tostring(total) then return 'no' end
  if total > 100 and redis.call('EXISTS', base .. ':d') == 1 then return 'later' end
  redis.call('HSET', rows, 'c', total)
  redis.call('SET', base .. ':d', 1, 'PX', 5000)
  return 'told'
end

-- Tells every node that serves the channel; count 0 is none to tell, 4294967295 that it is to be asked for.
local function announce(base, head, removed, added, infos, count)
  if #removed == 0 and #added == 0 and count == 0 then return end
  local parts = { head, texts(removed), struct.pack('>I4', #added) }
  for at, user in ipairs(added) do
    parts[#parts + 1] = text(user)
    parts[#parts + 1] = text(infos[at])
  end
  parts[#parts + 1] = struct.pack('>I4', count)
  redis.call('PUBLISH', base, table.concat(parts))
end
