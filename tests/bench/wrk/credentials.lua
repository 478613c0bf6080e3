-- Requests that differ in the number of their credential alone: wrk is given a request with the mark for a number.
local MARK = ("N"):rep(12)
local before, after

-- A global of the thread's own state, as wrk's callbacks are.
function prepare()
    local request = wrk.format()
    local from, to = request:find(MARK, 1, true)
    before, after = request:sub(1, from - 1), request:sub(to + 1)
end

function request_of(number)
    return before .. string.format("%012x", number) .. after
end
