-- Sends the tokens of a file, one a request, as often as Zipf's law with exponent 1 says. Arguments: file, path.
-- Requests are formatted once and their order is drawn once, from a fixed seed, so that a request costs a table look-up.

local ORDER = 65536
local order, at = {}, 0

function init(args)
  local requests, weights, sum = {}, {}, 0
  for token in io.lines(args[1]) do
    local headers = { ["Authorization"] = "Bearer " .. token }
    if args[2]:find("/auth/check/", 1, true) then
      headers["X-Forwarded-Method"], headers["X-Forwarded-Uri"] = "GET", "/reports/7"
    end
    requests[#requests + 1] = wrk.format("GET", args[2], headers)
    sum = sum + 1 / #requests
    weights[#requests] = sum
  end
  math.randomseed(7)
  for i = 1, ORDER do
    local point, low, high = math.random() * sum, 1, #requests
    while low < high do
      local middle = math.floor((low + high) / 2)
      if weights[middle] < point then low = middle + 1 else high = middle end
    end
    order[i] = requests[low]
  end
end

function request()
  at = at % ORDER + 1
  return order[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99)))
end
