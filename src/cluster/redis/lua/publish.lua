-- Numbers one event of a channel and publishes it to the nodes that serve the channel. Returns its number,
-- below zero if there is no subscriber; 0 if there was none of late either, or if it was published before.
-- KEYS  channel
-- ARGV  the event up to its number, text, 1 to cache it, 1 if it may have been published before
-- `EventMessage` describes the bytes of an event: its node and serial are read here, its number written.
local base, is_cached, is_repeated = KEYS[1], ARGV[3] == '1', ARGV[4] == '1'
local node, serial = string.sub(ARGV[1], 4, 11), (struct.unpack('>I8', ARGV[1], 12))
local serials = base .. ':serials'
if is_repeated and tonumber(redis.call('HGET', serials, node) or '0') >= serial then return 0 end
local is_occupied = redis.call('EXISTS', base .. ':nodes') == 1
local number = 0
-- A cached event is numbered even if no node serves the channel: one that begins to gets it from the cache,
-- and must not get it again as an event that it missed.
if RETENTION_MS and is_cached then
  local time = redis.call('TIME')
  redis.call('SET', base .. ':number', string.format('%d%06d', time[1], time[2]), 'PX', RETENTION_MS, 'NX')
end
-- A node that was given up and comes back finds out from the numbers what it missed.
local is_numbered = is_occupied or redis.call('EXISTS', base .. ':number') == 1
if is_numbered or is_cached then
  -- The last serial of each node, for a node that was cut off before the answer to an event.
  if redis.call('HSET', serials, node, serial) == 1 and redis.call('HLEN', serials) > SERIALS_MAX then
    redis.call('DEL', serials)
    redis.call('HSET', serials, node, serial)
  end
  if RETENTION_MS or not is_occupied then redis.call('PEXPIRE', serials, SERIALS_KEPT_MS) end
end
if is_numbered then
  number = redis.call('INCR', base .. ':number')
  local message = ARGV[1] .. struct.pack('>I8', number) .. ARGV[2]
  if RETENTION_MS then
    local id = string.format('%.0f-0', number)
    redis.call('XADD', base .. ':events', 'MAXLEN', '~', RETAINED_EVENTS, id, 'm', message)
    redis.call('PEXPIRE', base .. ':events', RETENTION_MS)
  end
  -- Also without a subscriber: the nodes that are still subscribed must not see a gap.
  redis.call(PUBLISH, base, message)
end
if is_cached then redis.call('SET', base .. ':cached', ARGV[2], 'PX', CACHE_MS) end
return is_occupied and number or -number
