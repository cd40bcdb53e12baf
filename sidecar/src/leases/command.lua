-- What a person wants of one key: to see it, to add to the budget of the window, to forget what was spent.
-- ARGV beyond the account's: `show`, `top-up` or `reset`; the command's id; units to add, or, below 0, to take back of what
-- was added.
local action, id = ARGV[6], ARGV[7]
local known, outstanding = #stored > 0, granted_to_others(nil)
local carried_out, before = false, extra
if action ~= 'show' and not string.find(done, id, 1, true) then
  if action == 'top-up' then extra = math.max(math.min(extra + tonumber(ARGV[8]), 2 ^ 60), 0) else debt, part = 0, 0 end
  carried_out = true
  -- The last 32 of them.
  done = string.sub(id .. ' ' .. done, 1, 32 * 17)
  redis.call('HSET', KEYS[1], ':done', done)
end
if known or carried_out then keep(outstanding) end
local left = math.max(burst + extra - debt - outstanding, 0)
return {known and 1 or 0, carried_out and 1 or 0, debt, outstanding, extra, left, ends and ends - now or -1, extra - before}
