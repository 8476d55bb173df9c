-- Functions that the scripts share. Names in capitals are constants of `commands.rs`.
--
-- A channel has these keys, all beginning with its topic:
--   :nodes    node -> its sockets; `total`, `arrivals` (members so far), `announced` (the last count sent)
--   :members  user -> packed { arrival, nodes, info }
--   :number   the number of the last event
--   :serials  node -> the serial of its last event
--   :events   the events, if they are stored
--   :cached   the cached event
--   :counted  exists for COUNT_INTERVAL_MS after a count was sent
--   :missing  exists for CACHE_MISS_WINDOW_MS after a webhook reported a cache miss

-- Empty lists are not packed: the reader takes a missing one for empty.
local function non_empty(list)
  if #list > 0 then return list end
end

local function pack_member(arrival, nodes, info)
  return cmsgpack.pack({ arrival, nodes, info })
end

-- The position of a node among the nodes of a member, eight bytes each.
local function position(nodes, node)
  for at = 1, #nodes, 8 do
    if string.sub(nodes, at, at + 7) == node then return at end
  end
end

-- Removes a node from a member; true if it was the last one.
local function remove_from_member(members, node, user, packed)
  packed = packed or redis.call('HGET', members, user)
  if not packed then return false end
  local arrival, nodes, info = unpack(cmsgpack.unpack(packed))
  local at = position(nodes, node)
  if not at then return false end
  nodes = string.sub(nodes, 1, at - 1) .. string.sub(nodes, at + 8)
  if nodes == '' then
    redis.call('HDEL', members, user)
    return true
  end
  redis.call('HSET', members, user, pack_member(arrival, nodes, info))
  return false
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A node: when its lease ends, and since when it has held one without a break. In this form for nodes
-- of every version, which compare their claims.
local function pack_node(deadline, since) return struct.pack('>I8I8', deadline, since) end
local function unpack_node(value) return struct.unpack('>I8I8', value) end

-- A node that was given up and sends requests all the same is registered again: otherwise what it
-- stores would remain if it died before its next heartbeat.
local function register(nodes, node)
  if redis.call('HEXISTS', nodes, node) == 0 then
    local now = now_ms()
    redis.call('HSET', nodes, node, pack_node(now + LEASE_MS, now))
  end
end

-- Sets the number of sockets that a node has in a channel; returns the totals before and after.
local function set_sockets(base, occupied, name, node, count, numbers_kept_ms, serials_kept_ms)
  local nodes = base .. ':nodes'
  local had = tonumber(redis.call('HGET', nodes, node) or '0')
  local before = tonumber(redis.call('HGET', nodes, 'total') or '0')
  local total = before - had + count
  if count ~= had then
    if count > 0 then redis.call('HSET', nodes, node, count) else redis.call('HDEL', nodes, node) end
    redis.call('HSET', nodes, 'total', total)
  end
  if before == 0 and total > 0 then
    if occupied then redis.call('ZADD', occupied, 0, name) end
    local time = redis.call('TIME')
    redis.call('SET', base .. ':number', string.format('%d%06d', time[1], time[2]), 'NX')
    redis.call('PERSIST', base .. ':number')
    redis.call('PERSIST', base .. ':serials')
  elseif total <= 0 then
    redis.call('DEL', nodes, base .. ':members')
    if occupied then redis.call('ZREM', occupied, name) end
    redis.call('PEXPIRE', base .. ':number', numbers_kept_ms)
    redis.call('PEXPIRE', base .. ':serials', serials_kept_ms)
  end
  return before, total
end

-- Leaves wait for LEAVE_DELAY_MS before webhooks report them; a return on any node cancels them. Without
-- a user it is the last leave of the channel.
local function leave(record, user) return cmsgpack.pack({ record, user or '' }) end

local function delay_leave(leaves, record, user)
  redis.call('ZADD', leaves, now_ms() + LEAVE_DELAY_MS, leave(record, user))
end

local function cancel_leave(leaves, record, user)
  return redis.call('ZREM', leaves, leave(record, user)) == 1
end

-- Publishes a change of a channel to the nodes that serve it, as a `RosterChange`.
local function publish_change(base, head, change)
  if next(change) then redis.call(PUBLISH, base, head .. cmsgpack.pack(change)) end
end
