-- For wrk: the requests named after "--", one after the other, over and over; "PATH" or "PATH RANGE".
local requests = {}
local at = 0

function init(args)
  for _, argument in ipairs(args) do
    local path, range = argument:match('^(%S+) ?(%S*)$')
    local headers = {}
    for name, value in pairs(wrk.headers) do headers[name] = value end
    if range ~= '' then headers['Range'] = range end
    table.insert(requests, wrk.format('GET', path, headers))
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
