-- Returns what the directory has of one channel, as a packed ChannelInfo.
-- KEYS  channel
local nodes, number = KEYS[1] .. ':nodes', KEYS[1] .. ':number'
local cached = redis.call('GET', KEYS[1] .. ':cached')
local info = {
  sockets = math.max(tonumber(redis.call('HGET', nodes, 'total') or '0'), 0),
  users = redis.call('HLEN', KEYS[1] .. ':members'),
  nodes = redis.call('HLEN', nodes),
  cached = cached and { cached, math.max(redis.call('PTTL', KEYS[1] .. ':cached'), 0) } or nil,
}
for _, field in ipairs({ 'total', 'arrivals', 'announced' }) do
  info.nodes = info.nodes - redis.call('HEXISTS', nodes, field)
end
-- Numbers begin with the microsecond in which the channel was occupied, and expire NUMBERS_KEPT_MS after it was
-- vacated. That of a cached event expires as well, and that of a channel whose node died later.
local first = tonumber(redis.call('GET', number) or '0')
local left_ms = redis.call('PTTL', number)
if info.sockets > 0 and first > 0 then
  local time = redis.call('TIME')
  info.occupied_ms = math.max(math.floor((time[1] * 1000000 + time[2] - first) / 1000), 0)
elseif not cached and left_ms >= 0 and left_ms <= NUMBERS_KEPT_MS then
  info.vacated_ms = NUMBERS_KEPT_MS - left_ms
end
return cmsgpack.pack(info)
