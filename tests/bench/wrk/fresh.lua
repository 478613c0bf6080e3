-- Every request has a credential that was never seen. Argument: the first number.
require "report"
require "credentials"
local number

function init(args)
    number = tonumber(args[1])
    prepare()
end

function request()
    number = number + 1
    return request_of(number)
end
