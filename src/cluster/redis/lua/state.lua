-- Stores what one node has in one channel: absolute numbers and the rows of its users, so that a
-- repetition changes nothing. Publishes a change on the channel's topic and the outcome on the node's.
-- KEYS  channel, the node's channels, the app's occupied channels, pending leaves, nodes
-- ARGV  node, head of the change, head of the outcome, a packed ChannelRecord, packed StateArguments
local base, occupied, leaves = KEYS[1], KEYS[3], KEYS[4]
local node, record = ARGV[1], ARGV[4]
local channel, request = cmsgpack.unpack(record), cmsgpack.unpack(ARGV[5])
local traits, members = channel.traits, base .. ':members'

-- Counts above UNTHROTTLED_SUBSCRIBERS are sent once in COUNT_INTERVAL_MS.
local function count_notice(total)
  local nodes = base .. ':nodes'
  if total <= 0 or redis.call('HGET', nodes, 'announced') == tostring(total) then return nil end
  if total > UNTHROTTLED_SUBSCRIBERS and redis.call('EXISTS', base .. ':counted') == 1 then return 'later' end
  redis.call('HSET', nodes, 'announced', total)
  redis.call('SET', base .. ':counted', 1, 'PX', COUNT_INTERVAL_MS)
  return 'sent'
end

local refused, added, removed, infos, mine = {}, {}, {}, {}, {}
for _, row in ipairs(request.rows or {}) do
  local user, info = row[1], row[2]
  local packed = redis.call('HGET', members, user)
  if not info then
    if packed and remove_from_member(members, node, user, packed) then removed[#removed + 1] = user end
  else
    mine[user] = true
    if packed then
      local arrival, nodes, first = unpack(cmsgpack.unpack(packed))
      if not position(nodes, node) then
        redis.call('HSET', members, user, pack_member(arrival, nodes .. node, first))
      end
    elseif request.members_max and redis.call('HLEN', members) >= request.members_max then
      refused[#refused + 1] = user
    else
      local arrival = redis.call('HINCRBY', base .. ':nodes', 'arrivals', 1)
      redis.call('HSET', members, user, pack_member(arrival, node, info))
      added[#added + 1], infos[#infos + 1] = user, { user, info }
    end
  end
end
if request.whole then
  local all = redis.call('HGETALL', members)
  for at = 1, #all, 2 do
    if not mine[all[at]] and remove_from_member(members, node, all[at], all[at + 1]) then
      removed[#removed + 1] = all[at]
    end
  end
end

-- Behind the rows: the last socket of the channel takes all its keys with it.
local before, total = set_sockets(base, traits.listed and occupied, channel.name, node, request.count,
  NUMBERS_KEPT_MS, SERIALS_KEPT_MS)
if request.count > 0 then
  register(KEYS[5], node)
  redis.call('SADD', KEYS[2], record)
else
  redis.call('SREM', KEYS[2], record)
end

local outcome = {
  total = math.max(total, 0),
  refused = non_empty(refused),
  added = non_empty(added),
  removed = non_empty(removed),
}
if traits.webhooks then
  if before == 0 and total > 0 then outcome.report_occupied = not cancel_leave(leaves, record) end
  for _, user in ipairs(removed) do delay_leave(leaves, record, user) end
  local tell = {}
  for _, user in ipairs(added) do
    if not cancel_leave(leaves, record, user) then tell[#tell + 1] = user end
  end
  outcome.report_added = non_empty(tell)
  if before > 0 and total <= 0 then delay_leave(leaves, record) end
end
outcome.count = traits.counts and count_notice(total) or nil
publish_change(base, ARGV[2], {
  removed = outcome.removed,
  added = non_empty(infos),
  count = outcome.count == 'sent' and total or nil,
})

if request.roster then outcome.roster = redis.call('HGETALL', members) end
if request.cached then
  local cached = redis.call('GET', base .. ':cached')
  if cached then
    outcome.cached = cached
  elseif redis.call('SET', base .. ':missing', 1, 'NX', 'PX', CACHE_MISS_WINDOW_MS) then
    outcome.report_miss = true
  end
end
-- A part of what was missed at a time: the outcome waits in the node's output buffer with all others.
if request.missed_since then
  local since = string.format('(%.0f-0', request.missed_since)
  local missed, bytes = {}, 0
  for _, entry in ipairs(redis.call('XRANGE', base .. ':events', since, '+', 'COUNT', MISSED_EVENTS_MAX)) do
    missed[#missed + 1], bytes = entry[2][2], bytes + #entry[2][2]
    if #missed == MISSED_EVENTS_MAX or bytes > MISSED_BYTES_MAX then
      outcome.more = true
      break
    end
  end
  outcome.missed = non_empty(missed)
end
outcome.number = tonumber(redis.call('GET', base .. ':number') or '0')
if request.whole then outcome.own = tonumber(redis.call('HGET', base .. ':serials', node) or '0') end
return redis.call(PUBLISH, request.reply_topic, ARGV[3] .. cmsgpack.pack(outcome))
