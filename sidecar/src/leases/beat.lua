-- Says that gateways live, and asks how many do and what all of them digest keys with.
-- KEYS: the digest key, the gateways by when they were last seen. ARGV: a digest key for the case that there
-- is none, how long a gateway is remembered in ms, the gateways. Answers with both, and with the time in ms since 1970.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[1], ARGV[1], 'NX')
-- For longer than any window of a calendar: with another key, all that was spent would be forgotten.
redis.call('PEXPIRE', KEYS[1], 62 * 86400 * 1000)
for i = 3, #ARGV do redis.call('ZADD', KEYS[2], now, ARGV[i]) end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[2], 2 * ARGV[2])
return {redis.call('GET', KEYS[1]), redis.call('ZCARD', KEYS[2]), now}
