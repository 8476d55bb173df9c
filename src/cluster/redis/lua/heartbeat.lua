-- A node says that it lives, and learns who does not and which held leaves are due. Only a node that
-- lived without a break for as long as a lease may call another one dead: after Redis stood still,
-- everybody is late, and nobody is dead.
-- KEYS  nodes, held leaves, epoch, a channel if there is something to be proved
-- ARGV  node, lease_ms, 1 to take due leaves, an epoch if there is none, then what is to be there of the
--       epoch: the node's last event of that channel
local node, lease = ARGV[1], tonumber(ARGV[2])
local now, since, lapsed = now_ms(), nil, 0
local value = redis.call('HGET', KEYS[1], node)
if value then
  local deadline
  deadline, since = struct.unpack('>I8I8', value)
  if deadline < now then value = nil end
end
if not value then since, lapsed = now, 1 end
redis.call('HSET', KEYS[1], node, struct.pack('>I8I8', now + lease, since))
local dead, alive = {}, 0
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  if struct.unpack('>I8', all[at + 1]) >= now then alive = alive + 1
  elseif now - since >= lease then dead[#dead + 1] = all[at] end
end
local due = {}
if ARGV[3] == '1' then
  due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)
  if #due > 0 then redis.call('ZREM', KEYS[2], unpack(due)) end
end
-- This Redis is behind the one that took the event: what else is missing, nobody knows.
if ARGV[5] and redis.call('GET', KEYS[3]) == ARGV[6]
  and tonumber(redis.call('HGET', KEYS[4] .. ':p', node) or '0') < tonumber(ARGV[5]) then
  redis.call('DEL', KEYS[3])
end
redis.call('SET', KEYS[3], ARGV[4], 'NX')
return { lapsed, alive, dead, due, redis.call('GET', KEYS[3]) }
