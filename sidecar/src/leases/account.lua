-- The account of one key of a limit, up to now: what both scripts that change it begin with.
-- KEYS: the key's hash. Its field `bucket` is `debt part at extra from`, `:done` the ids of the last commands, each other
-- one a gateway's record `born sequence granted charged told seen`. What is granted and not charged does not drain; debt
-- does. Of a calendar's limit nothing drains: debt is what was charged in the window that began `from`, and `extra` what
-- was added to its budget.
-- ARGV: burst, amount, window, for how long a gateway may be silent; the ends of a calendar's windows around now.
local burst, amount, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local vanish = tonumber(ARGV[4])
local bounds = {}
for bound in string.gmatch(ARGV[5], '%d+') do bounds[#bounds + 1] = tonumber(bound) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local debt, part, at, extra, from = 0, 0, now, 0, 0
local records, done = {}, ''
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local numbers = {}
  for number in string.gmatch(stored[i + 1], '%d+') do numbers[#numbers + 1] = tonumber(number) end
  if stored[i] == 'bucket' then
    debt, part, at, extra, from = unpack(numbers)
  elseif stored[i] == ':done' then
    done = stored[i + 1]
  else
    records[stored[i]] = numbers
  end
end

-- Of a record.
local BORN, SEQUENCE, GRANTED, CHARGED, TOLD, SEEN = 1, 2, 3, 4, 5, 6

-- When the calendar's window ends.
local ends
if #bounds > 0 then
  local place
  for i = 1, #bounds - 1 do
    if now >= bounds[i] and now < bounds[i + 1] then place = i end
  end
  if not place then return redis.error_reply('ERR the time of this server is in none of the windows') end
  -- Where the clock was set back over a boundary, the window goes on that had begun.
  if from == bounds[place + 1] and bounds[place + 2] then place = place + 1 end
  local starts = bounds[place]
  ends = bounds[place + 1]
  if starts > from then
    if from > 0 then debt, extra = 0, 0 end
    from = starts
  elseif from >= ends then
    -- The clock was far ahead.
    from = starts
  end
  part, at = 0, now
elseif now >= at then
  local parts = (now - at) * amount + part
  local whole = math.floor(parts / window)
  part = parts - whole * window
  debt = debt - whole
  if debt <= 0 then debt, part = 0, 0 end
  at, extra, from = now, 0, 0
elseif at - now > 5000 then
  -- The clock was set back, or another server has taken over: goes on from there.
  at = now
end

-- What gateways but `me` were granted and have not used.
local function granted_to_others(me)
  local outstanding = 0
  for name, record in pairs(records) do
    if name ~= me then
      local silent = math.abs(now - record[SEEN])
      -- Nobody knows whether it was used: it drains as if it had been. Of a calendar's budget it stays granted for longer:
      -- charged to one window, it could be used in the next.
      if silent > 10 * vanish or silent > vanish and not ends then
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
  return outstanding
end

-- Writes the bucket, and how long all of it is kept.
local function keep(outstanding)
  redis.call('HSET', KEYS[1], 'bucket', string.format('%.0f %.0f %.0f %.0f %.0f', debt, part, at, extra, from))
  -- Of a key that nothing was charged or given, or that has given it back, there is nothing to remember: a flood of such keys
  -- is soon forgotten.
  local worth = debt + outstanding + extra > 0 or done ~= ''
  for _, record in pairs(records) do worth = worth or record[GRANTED] > 0 end
  local lives = ends and ends - now or math.ceil((debt + outstanding) * window / amount)
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', worth and lives + 20 * vanish or 2 * vanish))
end

