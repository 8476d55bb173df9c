-- Publishes one event of a channel, numbered, to the nodes that serve it. Returns its number; 0 if
-- nobody is subscribed nor was of late, or if it was published before.
-- KEYS  channel
-- ARGV  head (3 bytes, node, serial, ...), text, milliseconds to cache it or '', milliseconds to keep it
--       or '', events kept, 1 if it may have been published before
local base, kept_ms, taken = KEYS[1], tonumber(ARGV[4]), KEYS[1] .. ':p'
local node, serial = string.sub(ARGV[1], 4, 11), (struct.unpack('>I8', ARGV[1], 12))
if ARGV[6] == '1' and tonumber(redis.call('HGET', taken, node) or '0') >= serial then return 0 end
local live = redis.call('EXISTS', base .. ':n') == 1
local number = 0
-- What is cached is kept too, or it would be heard again by who was told it from the cache.
if kept_ms and ARGV[3] ~= '' then
  local time = redis.call('TIME')
  redis.call('SET', base .. ':q', string.format('%d%06d', time[1], time[2]), 'PX', kept_ms, 'NX')
end
-- A node that was given up and comes back knows by the numbers what there was meanwhile.
local numbered = live or redis.call('EXISTS', base .. ':q') == 1
if numbered or ARGV[3] ~= '' then
  -- The last of each node: who was cut off asks what became of its own. Of nodes that are long gone
  -- not more than a few are remembered.
  if redis.call('HSET', taken, node, serial) == 1 and redis.call('HLEN', taken) > 256 then
    redis.call('DEL', taken)
    redis.call('HSET', taken, node, serial)
  end
  if kept_ms or not live then redis.call('PEXPIRE', taken, kept_ms or 60000) end
end
if numbered then
  number = redis.call('INCR', base .. ':q')
  local message = ARGV[1] .. struct.pack('>I8', number) .. ARGV[2]
  if kept_ms then
    redis.call('XADD', base .. ':x', 'MAXLEN', '~', ARGV[5], string.format('%.0f-0', number), 'm', message)
    redis.call('PEXPIRE', base .. ':x', kept_ms)
  end
  -- Even where nobody is subscribed any more: nodes that still hear it must see no hole.
  redis.call('PUBLISH', base, message)
end
if ARGV[3] ~= '' then redis.call('SET', base .. ':e', ARGV[2], 'PX', ARGV[3]) end
return number
