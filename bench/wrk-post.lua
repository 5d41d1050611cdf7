-- Sends the lines of a file as forms (application/x-www-form-urlencoded), one a request, in turn. Arguments: file, path,
-- the value of Authorization. Requests are formatted once. Reports as wrk.lua does.

local requests, at = {}, 0

function init(args)
  local headers = { ["Authorization"] = args[3], ["Content-Type"] = "application/x-www-form-urlencoded" }
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", args[2], headers, line)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99)))
end
