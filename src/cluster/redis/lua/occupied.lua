-- Lists the occupied channels of an app whose names begin so: name, sockets, users; in order of name.
-- KEYS  the app's occupied channels
-- ARGV  the beginning of their keys, the beginning of their names
local from, to = '-', '+'
if ARGV[2] ~= '' then from, to = '[' .. ARGV[2], '[' .. ARGV[2] .. '\255' end
local all = {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], from, to)) do
  local base = ARGV[1] .. name .. '}'
  all[#all + 1] = name
  all[#all + 1] = tonumber(redis.call('HGET', base .. ':n', 't') or '0')
  all[#all + 1] = redis.call('HLEN', base .. ':m')
end
return all
