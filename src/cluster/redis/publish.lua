-- Publishes one event of a channel, numbered, to the nodes that serve it. Returns its number, 0 if
-- nobody is subscribed.
-- KEYS  channel
-- ARGV  head, text, milliseconds to cache it or '', milliseconds to keep it or '', events kept, 1 if it
--       may have been published before
local base, kept_ms = KEYS[1], tonumber(ARGV[4])
local live = redis.call('EXISTS', base .. ':n') == 1
local number = 0
if ARGV[6] == '1' and kept_ms then
  for _, entry in ipairs(redis.call('XREVRANGE', base .. ':x', '+', '-', 'COUNT', 128)) do
    if string.sub(entry[2][2], 1, #ARGV[1]) == ARGV[1] then return tonumber(string.match(entry[1], '^%d+')) end
  end
end
-- What is cached is kept too, or it would be heard again by who was told it from the cache.
if kept_ms and ARGV[3] ~= '' then
  local time = redis.call('TIME')
  redis.call('SET', base .. ':q', string.format('%d%06d', time[1], time[2]), 'PX', kept_ms, 'NX')
end
if live or (kept_ms and redis.call('EXISTS', base .. ':q') == 1) then
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
