-- What there is to be said of one channel: sockets, users, the cached event and its milliseconds.
-- KEYS  channel
return {
  tonumber(redis.call('HGET', KEYS[1] .. ':n', 't') or '0'),
  redis.call('HLEN', KEYS[1] .. ':m'),
  redis.call('GET', KEYS[1] .. ':e'),
  redis.call('PTTL', KEYS[1] .. ':e'),
}
