-- Takes a dead node out of the channels it was in, a few at a time. Any node may do it, several at
-- once too; what has been done is not done again. Returns how many are left, or -1 if it lives.
-- KEYS  nodes, the dead node's references, held leaves
-- ARGV  node, head of the change, prefix, hold_ms, kept_ms or '', 1 even if it lives, then the apps' ids
local node, prefix, kept_ms = ARGV[1], ARGV[3], tonumber(ARGV[5])
-- It may live, and come back from behind a broken line: ten minutes.
if ARGV[6] ~= '1' then kept_ms = math.max(kept_ms or 0, 600000) end
local value = redis.call('HGET', KEYS[1], node)
if value and ARGV[6] ~= '1' and struct.unpack('>I8', value) >= now_ms() then return -1 end

for _, reference in ipairs(redis.call('SPOP', KEYS[2], 64)) do
  local flags, app, name = string.match(reference, '^(%a*)%z(.-)%z(.*)$')
  local function has(letter) return string.find(flags, letter, 1, true) ~= nil end
  local base = prefix .. '{' .. app .. ':' .. name .. '}'
  local occupied = has('l') and prefix .. '{' .. app .. '}:occupied'
  local removed, members = {}, base .. ':m'
  if has('r') then
    local all = redis.call('HGETALL', members)
    for at = 1, #all, 2 do
      if withdraw(members, node, all[at], all[at + 1]) then removed[#removed + 1] = all[at] end
    end
  end
  local _, before, total = seats(base, occupied, name, node, 0, kept_ms)
  if has('w') then
    local due = now_ms() + tonumber(ARGV[4])
    for _, user in ipairs(removed) do hold(KEYS[3], due, reference, user) end
    if before > 0 and total <= 0 then hold(KEYS[3], due, reference, '') end
  end
  -- Webhooks are told counts too, and by one node: the first that asks.
  local recount = has('s') and total > 0 and 4294967295 or 0
  announce(base, ARGV[2], removed, {}, {}, recount)
end
local left = redis.call('SCARD', KEYS[2])
if left == 0 then
  redis.call('HDEL', KEYS[1], node)
  for at = 7, #ARGV do redis.call('HDEL', prefix .. '{' .. ARGV[at] .. '}:connections', node) end
end
return left
