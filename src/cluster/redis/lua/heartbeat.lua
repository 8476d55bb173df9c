-- Renews the lease of a node, and returns which nodes are dead and which leaves are due. Only a node that
-- has held a lease without a break for as long as one lasts may declare another one dead: after Redis
-- stood still every lease has ended, and no node is dead.
-- KEYS  nodes, pending leaves, epoch, a channel if there is a proof
-- ARGV  node, packed HeartbeatArguments
-- Returns a packed HeartbeatReply.
local node, request = ARGV[1], cmsgpack.unpack(ARGV[2])
local now, lease = now_ms(), request.lease_ms
local value = redis.call('HGET', KEYS[1], node)
local deadline, since
if value then deadline, since = unpack_node(value) end
local lapsed = not deadline or deadline < now
if lapsed then since = now end
redis.call('HSET', KEYS[1], node, pack_node(now + lease, since))
local dead, alive = {}, 0
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  if unpack_node(all[at + 1]) >= now then alive = alive + 1
  elseif now - since >= lease then dead[#dead + 1] = all[at] end
end
local due = {}
if request.takes_leaves then
  due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, DUE_LEAVES_MAX)
  if #due > 0 then redis.call('ZREM', KEYS[2], unpack(due)) end
end
-- This Redis is behind the one that confirmed the event: anything else may be missing as well.
local proof = request.proof
if proof and redis.call('GET', KEYS[3]) == proof.epoch
  and tonumber(redis.call('HGET', KEYS[4] .. ':serials', node) or '0') < proof.serial then
  redis.call('DEL', KEYS[3])
end
redis.call('SET', KEYS[3], request.new_epoch, 'NX')
return cmsgpack.pack({
  lapsed = lapsed,
  alive = alive,
  dead = dead,
  due = due,
  epoch = redis.call('GET', KEYS[3]),
})
