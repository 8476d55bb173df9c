-- Returns what the directory has of one channel, as a packed ChannelInfo.
-- KEYS  channel
local cached = redis.call('GET', KEYS[1] .. ':cached')
return cmsgpack.pack({
  sockets = math.max(tonumber(redis.call('HGET', KEYS[1] .. ':nodes', 'total') or '0'), 0),
  users = redis.call('HLEN', KEYS[1] .. ':members'),
  cached = cached and { cached, math.max(redis.call('PTTL', KEYS[1] .. ':cached'), 0) } or nil,
})
