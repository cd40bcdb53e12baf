-- Enters a sidecar among those that share, and tells which there are, those heard last first.
-- KEYS[1]: the sidecars by the time of their last word. ARGV: own id, ms until one is forgotten, most that are told.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local entered = redis.pcall('ZADD', KEYS[1], now, ARGV[1])
if type(entered) == 'table' and entered.err then
  if not string.find(entered.err, 'WRONGTYPE', 1, true) then return redis.error_reply(entered.err) end
  -- Somebody else's value stands there.
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], now, ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + 1, '+inf')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local told = {}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, ARGV[3] - 1)) do
  if #id <= 16 then told[#told + 1] = id end
end
return told
