-- Stores how many sockets of an app a node has, and grants it more within the app's bound.
-- KEYS  the app's connections, nodes
-- ARGV  node, packed ConnectionsArguments
-- Returns a packed ConnectionShare.
local node, request = ARGV[1], cmsgpack.unpack(ARGV[2])
local others = 0
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  if all[at] ~= node then others = others + tonumber(all[at + 1]) end
end
local granted = request.wanted
if request.most then granted = math.max(request.open, math.min(granted, request.most - others)) end
if granted > 0 then
  register(KEYS[2], node)
  redis.call('HSET', KEYS[1], node, granted)
else
  redis.call('HDEL', KEYS[1], node)
end
return cmsgpack.pack({ granted = granted, total = others + granted })
