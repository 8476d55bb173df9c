-- Lists the nodes and their leases.
-- KEYS  nodes
-- Returns a packed list of NodeLease.
local now = now_ms()
local leases = {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local deadline, since = unpack_node(all[at + 1])
  leases[#leases + 1] = { all[at], deadline - now, math.max(0, now - since) }
end
return cmsgpack.pack(leases)
