-- A node states over how many partitions and Redis it spreads channels, and gets what holds at this Redis.
-- KEYS  the numbers, what each node states, the nodes where there is one partition, the name of this Redis
-- ARGV  node, partitions, Redis it knows, Redis it would begin with, a new name for this Redis, the names that it knows,
--       how long numbers are kept, how long a move is announced before it happens
-- Returns { taken, partitions, Redis in use, Redis from the next move on or 0, ms to it, name of this Redis,
-- then node and names for each other node }.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local own, known, kept = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[7])

local partitions, used, following, at
local text = redis.call('GET', KEYS[1])
if text then
  partitions, used, following, at = string.match(text, '^(%d+)/?(%d*)>?(%d*)@?(%d*)$')
  partitions, used = tonumber(partitions), tonumber(used) or 1
  following, at = tonumber(following), tonumber(at)
end
if not partitions then
  partitions, used = own, tonumber(ARGV[4])
  -- Nodes with one partition have no number here if they are of another version.
  for _, lease in ipairs(redis.call('HVALS', KEYS[3])) do
    if own > 1 and struct.unpack('>I8', lease) >= now then partitions, used = 1, 1 end
  end
end
if following and at <= now then used, following = following, nil end
if partitions ~= own or (following or used) > known then
  return { 0, partitions, following or used, 0, 0, '' }
end

redis.call('HSET', KEYS[2], ARGV[1], string.format('%d %.0f %s', known, now, ARGV[6]))
redis.call('SET', KEYS[4], ARGV[5], 'NX')
local answer = { 1, partitions, used, 0, 0, redis.call('GET', KEYS[4]) }
local least, all = known, redis.call('HGETALL', KEYS[2])
for entry = 1, #all, 2 do
  local count, seen, names = string.match(all[entry + 1], '^(%d+) (%d+) (.*)$')
  if not count or tonumber(seen) < now - kept then
    redis.call('HDEL', KEYS[2], all[entry])
  elseif all[entry] ~= ARGV[1] then
    least = math.min(least, tonumber(count))
    answer[#answer + 1] = all[entry]
    answer[#answer + 1] = names
  end
end
-- All nodes that live here know a further Redis: each moves at the same time, which all have read by then.
if not following and least > used then following, at = least, now + tonumber(ARGV[8]) end
local state = string.format('%d/%d', partitions, used)
if following then
  state = state .. string.format('>%d@%.0f', following, at)
  answer[4], answer[5] = following, at - now
end
redis.call('SET', KEYS[1], state, 'PX', kept)
return answer
