-- One gateway's account of one key of a limit: charges what it has used, and grants what it wants.
-- All totals count since the gateway's slot was made, so a run that is repeated charges and grants once.
-- Invariant: debt + what is granted and not charged <= burst + extra, but for what was used without a grant.
-- ARGV beyond the account's: gateway, born, sequence, used, reserved, granted, need, ask, lower.
local me = ARGV[6]
local born, sequence, used, reserved = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local granted, need, ask, lower = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])

local outstanding = granted_to_others(me)
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
local left = math.max(burst + extra - debt - outstanding, 0)
local retry = 0
if sequence == record[SEQUENCE] then
  if lower >= 0 and ask == 0 and lower < record[GRANTED] then
    record[SEQUENCE] = sequence + 1
    record[TOLD] = math.max(lower, record[CHARGED])
  else
    local give = math.min(ask, left, math.max(need, math.ceil(left / 2)))
    if give < need then
      if not ends then
        retry = math.ceil(math.min(need - left, debt) * window / amount)
      elseif need > burst + extra - debt - math.max(record[GRANTED] - record[CHARGED] - reserved, 0) then
        -- Not even what others and its own requests under way give back would do, beside what it has already.
        retry = ends - now
      end
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

records[me] = record
redis.call('HSET', KEYS[1], me, string.format('%.0f %.0f %.0f %.0f %.0f %.0f', unpack(record)))
keep(outstanding)
return {record[SEQUENCE], record[TOLD], record[CHARGED], left, retry, overdrawn, outstanding}
