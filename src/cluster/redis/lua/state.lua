-- One node says what it has in one channel: absolute numbers and the rows of its users, so that saying
-- it again changes nothing. Answers on the node's own topic, tells the others on the channel's.
-- KEYS  channel, the node's references, the app's occupied channels, held leaves, nodes
-- ARGV  node, head of the change, own topic, head of the outcome, flags, reference, name, count,
--       members_max, hold_ms, kept_ms or '', last number known, lease_ms, then for each row: + or -, user, info
-- flags l listed, r roster, b bounded, o only these rows, f fetch the roster, c fetch the cached event,
--       m miss is told, w webhooks, s subscription counts, x fetch events since
local base, held = KEYS[1], KEYS[4]
local node, flags, reference, name = ARGV[1], ARGV[5], ARGV[6], ARGV[7]
local count, kept_ms = tonumber(ARGV[8]), tonumber(ARGV[11])
local function asked(letter) return string.find(flags, letter, 1, true) ~= nil end

local members, refused, added, infos, removed, told = base .. ':m', {}, {}, {}, {}, {}
local mine = {}
for at = 14, #ARGV, 3 do
  local user, info = ARGV[at + 1], ARGV[at + 2]
  if ARGV[at] == '-' then
    if withdraw(members, node, user) then removed[#removed + 1] = user end
  else
    mine[user] = true
    local value = redis.call('HGET', members, user)
    if value then
      local arrival, nodes, first = member(value)
      if not place(nodes, node) then
        redis.call('HSET', members, user, written(arrival, nodes .. node, first))
      end
    elseif asked('b') and redis.call('HLEN', members) >= tonumber(ARGV[9]) then
      refused[#refused + 1] = user
    else
      local arrival = redis.call('HINCRBY', base .. ':n', 'a', 1)
      redis.call('HSET', members, user, written(arrival, node, info))
      added[#added + 1], infos[#infos + 1] = user, info
    end
  end
end
if asked('o') then
  local all = redis.call('HGETALL', members)
  for at = 1, #all, 2 do
    if not mine[all[at]] and withdraw(members, node, all[at], all[at + 1]) then
      removed[#removed + 1] = all[at]
    end
  end
end

-- After the rows: with the last socket of the channel go all its keys.
local _, before, total = seats(base, asked('l') and KEYS[3], name, node, count, kept_ms)
if count > 0 then
  enlist(KEYS[5], node, tonumber(ARGV[13]))
  redis.call('SADD', KEYS[2], reference)
else
  redis.call('SREM', KEYS[2], reference)
end

local tell = 0
if asked('w') then
  local due = now_ms() + tonumber(ARGV[10])
  if before == 0 and total > 0 and not cancel(held, reference, '') then tell = tell + 1 end
  for _, user in ipairs(removed) do hold(held, due, reference, user) end
  for _, user in ipairs(added) do
    if not cancel(held, reference, user) then told[#told + 1] = user end
  end
  if before > 0 and total <= 0 then hold(held, due, reference, '') end
end
local count_is = asked('s') and count_told(base, total) or 'no'
if count_is == 'told' then tell = tell + 2 elseif count_is == 'later' then tell = tell + 4 end
announce(base, ARGV[2], removed, added, infos, count_is == 'told' and total or 0)

local tail = {}
if asked('f') then
  tell = tell + 8
  local all = redis.call('HGETALL', members)
  tail[1] = struct.pack('>I4', #all / 2)
  for at = 1, #all, 2 do
    local arrival, _, info = member(all[at + 1])
    tail[#tail + 1] = struct.pack('>I8', arrival) .. text(all[at]) .. text(info)
  end
end
if asked('c') then
  local cached = redis.call('GET', base .. ':e')
  if cached then
    tell = tell + 16
    tail[#tail + 1] = text(cached)
  elseif asked('m') and redis.call('SET', base .. ':z', 1, 'NX', 'PX', ARGV[10]) then
    tell = tell + 32
  end
end
-- A part of what was missed at a time: the answer waits in the node's buffer with all others.
local missed = {}
if asked('x') then
  local after = redis.call('XRANGE', base .. ':x', '(' .. ARGV[12] .. '-0', '+', 'COUNT', 64)
  local bytes = 0
  for at, entry in ipairs(after) do
    missed[at], bytes = entry[2][2], bytes + #entry[2][2]
    if at == 64 or bytes > 65536 then
      tell = tell + 64
      break
    end
  end
end
tail[#tail + 1] = texts(missed)
local number = tonumber(redis.call('GET', base .. ':q') or '0')
local own = asked('o') and tonumber(redis.call('HGET', base .. ':p', node) or '0') or 0
return redis.call('PUBLISH', ARGV[3], ARGV[4]
  .. struct.pack('>I8I8I4B', number, own, math.max(total, 0), tell)
  .. texts(refused) .. texts(added) .. texts(removed) .. texts(told) .. table.concat(tail))
