-- Removes a dead node from the channels it was in, a few at a time. Any node may do it, several at once
-- too: a repetition changes nothing. Returns how many channels are left, or -1 if the node is alive.
-- KEYS  nodes, the dead node's channels, pending leaves
-- ARGV  node, head of the change, packed ReapArguments
local node, request = ARGV[1], cmsgpack.unpack(ARGV[3])
local numbers_kept_ms, serials_kept_ms = NUMBERS_KEPT_MS, SERIALS_KEPT_MS
if not request.leaving then
  local value = redis.call('HGET', KEYS[1], node)
  if value and unpack_node(value) >= now_ms() then return -1 end
  numbers_kept_ms, serials_kept_ms = KEPT_FOR_DEAD_MS, KEPT_FOR_DEAD_MS
end

for _, record in ipairs(redis.call('SPOP', KEYS[2], REAPED_CHANNELS_MAX)) do
  local channel = cmsgpack.unpack(record)
  local app, traits = request.prefix .. '{' .. channel.app_id, channel.traits
  local base, occupied = app .. ':' .. channel.name .. '}', traits.listed and app .. '}:occupied'
  local removed, members = {}, base .. ':members'
  if traits.roster then
    local all = redis.call('HGETALL', members)
    for at = 1, #all, 2 do
      if remove_from_member(members, node, all[at], all[at + 1]) then removed[#removed + 1] = all[at] end
    end
  end
  local before, total =
    set_sockets(base, occupied, channel.name, node, 0, numbers_kept_ms, serials_kept_ms)
  if traits.webhooks then
    for _, user in ipairs(removed) do delay_leave(KEYS[3], record, user) end
    if before > 0 and total <= 0 then delay_leave(KEYS[3], record) end
  end
  -- Webhooks report counts too, and one node sends them: the first that requests the count.
  local recount = traits.counts and total > 0 or nil
  publish_change(base, ARGV[2], { removed = non_empty(removed), recount = recount })
end
local left = redis.call('SCARD', KEYS[2])
if left == 0 then
  redis.call('HDEL', KEYS[1], node)
  for _, app_id in ipairs(request.app_ids) do
    redis.call('HDEL', request.prefix .. '{' .. app_id .. '}:connections', node)
  end
end
return left
