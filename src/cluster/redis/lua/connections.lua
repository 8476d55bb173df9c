-- A node says how many sockets of an app it has and how many more it would let in. Returns how many it
-- may have in all, and how many all nodes have then.
-- KEYS  the app's connections, nodes
-- ARGV  node, open, open and waiting, the app's bound or '', lease_ms
local node, open, wanted = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local others = 0
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  if all[at] ~= node then others = others + tonumber(all[at + 1]) end
end
local granted = wanted
if ARGV[4] ~= '' then granted = math.max(open, math.min(wanted, tonumber(ARGV[4]) - others)) end
if granted > 0 then
  enlist(KEYS[2], node, tonumber(ARGV[5]))
  redis.call('HSET', KEYS[1], node, granted)
else
  redis.call('HDEL', KEYS[1], node)
end
return { granted, others + granted }
