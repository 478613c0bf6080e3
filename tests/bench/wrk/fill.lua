-- One credential after the other, and from the first again. Arguments: how many there are, the first of this run.
require "report"
require "credentials"
local count, number

function init(args)
    count, number = tonumber(args[1]), tonumber(args[2])
    prepare()
end

function request()
    number = number + 1
    return request_of((number - 1) % count)
end
