-- Lists occupied channels of an app whose names have a prefix, in order of name: so many behind a name. A longer list is
-- read in several steps, since a script keeps Redis and the node that unpacks its answer from everything else.
-- KEYS  the app's occupied channels
-- ARGV  what the keys of its channels begin with, the prefix, the name behind which the list begins or '', the most
-- Returns a packed list of name, sockets, users.
local from, to = '-', '+'
if ARGV[2] ~= '' then from, to = '[' .. ARGV[2], '[' .. ARGV[2] .. '\255' end
if ARGV[3] ~= '' then from = '(' .. ARGV[3] end
local all = {}
for at, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], from, to, 'LIMIT', 0, ARGV[4])) do
  local base = ARGV[1] .. name .. '}'
  local sockets = tonumber(redis.call('HGET', base .. ':nodes', 'total') or '0')
  all[at] = { name, sockets, redis.call('HLEN', base .. ':members') }
end
return cmsgpack.pack(all)
