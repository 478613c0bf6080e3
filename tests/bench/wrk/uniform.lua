-- Credentials at random, each as likely as the others. Arguments: how many there are, a seed.
require "report"
require "credentials"
local count

function init(args)
    count = tonumber(args[1])
    math.randomseed(tonumber(args[2]))
    prepare()
end

function request()
    return request_of(math.random(0, count - 1))
end
