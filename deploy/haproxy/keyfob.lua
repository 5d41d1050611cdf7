-- HAProxy asks keyfob whether a request may pass: GET /auth/check/forward with the request's method, path and query as
-- they came, and every Authorization line. Sets txn.keyfob_status (503 where there is no answer) and one variable for
-- each header of the answer that matters. Never reads a body, never remembers an answer.

local CHECK = "http://127.0.0.1:8081/auth/check/forward" -- keyfob's internal listener
local TIMEOUT = 2000 -- milliseconds
local TOLD = { "www-authenticate", "x-auth-user", "x-auth-subject", "x-auth-roles", "x-auth-scope" }

-- HAProxy's lists of values begin at 0, those of its client at 1.
local function values(list)
    local all = {}
    if list then
        for index = 0, #list do all[#all + 1] = list[index] end
    end
    return all
end

core.register_action("keyfob", { "http-req" }, function(txn)
    local sent = txn.http:req_get_headers()
    local headers = {
        ["x-forwarded-method"] = { txn.f:method() },
        ["x-forwarded-uri"] = { txn.f:pathq() },
        ["host"] = values(sent["host"]),
    }
    if sent["authorization"] then headers["authorization"] = values(sent["authorization"]) end

    local answer = core.httpclient():get({ url = CHECK, headers = headers, timeout = TIMEOUT })
    txn:set_var("txn.keyfob_status", answer and answer.status or 503)
    for _, name in ipairs(TOLD) do
        local told = answer and answer.headers and answer.headers[name]
        txn:set_var("txn.keyfob_" .. name:gsub("-", "_"), told and told[0] or "")
    end
end)
