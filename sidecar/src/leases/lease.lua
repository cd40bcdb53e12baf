-- One gateway's account of one key of a limit: charges what it has used, and grants what it wants.
-- All totals count since the gateway's slot was made, so a run that is repeated charges and grants once.
-- KEYS: the key's hash. Its field `bucket` is `debt part at`, each other one a gateway's record
-- `born sequence granted charged told seen`. What is granted and not charged does not drain; debt does.
-- Invariant: debt + what is granted and not charged <= burst, but for what was used without a grant.
local me = ARGV[1]
local born, sequence, used, granted = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local need, ask, lower = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local burst, amount, window = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local vanish = tonumber(ARGV[12])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local debt, part, at = 0, 0, now
local records = {}
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local numbers = {}
  for number in string.gmatch(stored[i + 1], '%d+') do numbers[#numbers + 1] = tonumber(number) end
  if stored[i] == 'bucket' then
    debt, part, at = numbers[1], numbers[2], numbers[3]
  else
    records[stored[i]] = numbers
  end
end

-- Of a record.
local BORN, SEQUENCE, GRANTED, CHARGED, TOLD, SEEN = 1, 2, 3, 4, 5, 6

if now >= at then
  local parts = (now - at) * amount + part
  local whole = math.floor(parts / window)
  part = parts - whole * window
  debt = debt - whole
  if debt <= 0 then debt, part = 0, 0 end
  at = now
elseif at - now > 5000 then
  -- The clock was set back, or another server has taken over: goes on from there.
  at = now
end

local outstanding = 0
for name, record in pairs(records) do
  if name ~= me then
    local silent = math.abs(now - record[SEEN])
    if silent > vanish then
      -- Nobody knows whether it was used: it drains as if it had been.
      debt = debt + record[GRANTED] - record[CHARGED]
      record[CHARGED] = record[GRANTED]
      if silent > 10 * vanish then
        redis.call('HDEL', KEYS[1], name)
      else
        redis.call('HSET', KEYS[1], name, string.format('%.0f %.0f %.0f %.0f %.0f %.0f', unpack(record)))
      end
    end
    outstanding = outstanding + record[GRANTED] - record[CHARGED]
  end
end

local record, fell = records[me], false
if not record or record[BORN] ~= born then
  if record then debt = debt + record[GRANTED] - record[CHARGED] end
  -- Nothing is known of it here: what it was granted is taken for charged as far as it is used.
  record = {born, sequence, granted, math.min(used, granted), granted, now}
elseif sequence > record[SEQUENCE] then
  -- It knows of a grant that was forgotten here.
  record[SEQUENCE] = sequence
  record[GRANTED] = math.max(record[GRANTED], granted)
elseif sequence == record[SEQUENCE] and granted < record[GRANTED] then
  -- The last grant is in force, so nothing of an earlier one can come any more: the rest is back.
  record[GRANTED] = math.max(granted, record[CHARGED])
  fell = true
end
record[SEEN] = now

local overdrawn = 0
if used > record[CHARGED] then
  overdrawn = math.max(used - record[GRANTED], 0)
  debt = debt + used - record[CHARGED]
  record[CHARGED] = used
  record[GRANTED] = math.max(record[GRANTED], used)
end

outstanding = outstanding + record[GRANTED] - record[CHARGED]
local left = math.max(burst - debt - outstanding, 0)
local retry = 0
if sequence == record[SEQUENCE] then
  if lower >= 0 and ask == 0 and lower < record[GRANTED] then
    record[SEQUENCE] = sequence + 1
    record[TOLD] = math.max(lower, record[CHARGED])
  else
    local give = math.min(ask, left, math.max(need, math.ceil(left / 2)))
    if give < need then
      retry = math.ceil(math.min(need - left, debt) * window / amount)
      give = 0
    end
    if give > 0 or need > 0 or sequence == 0 or record[GRANTED] ~= granted or fell then
      record[SEQUENCE] = sequence + 1
    end
    record[GRANTED] = record[GRANTED] + give
    record[TOLD] = record[GRANTED]
    left = left - give
    outstanding = outstanding + give
  end
end

redis.call('HSET', KEYS[1], 'bucket', string.format('%.0f %.0f %.0f', debt, part, at),
  me, string.format('%.0f %.0f %.0f %.0f %.0f %.0f', unpack(record)))
local lives = math.ceil((debt + outstanding) * window / amount) + 20 * vanish
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lives))
return {record[SEQUENCE], record[TOLD], record[CHARGED], left, retry, overdrawn, outstanding}
