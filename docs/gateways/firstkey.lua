-- Asks Firstkey whether a request's key is good, and hands on who it is. See haproxy.cfg beside it.

-- Headers of this connection, and not of the request.
local hop_by_hop = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true, ["keep-alive"] = true,
    ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
}

local function verify(txn, url)
    local sent = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not hop_by_hop[name] then
            sent[name] = {}
            for _, value in pairs(values) do
                table.insert(sent[name], value)
            end
        end
    end
    -- in place of whatever the client has sent
    sent["x-forwarded-for"] = { txn.f:src() }

    local answer = core.httpclient():get{ url = url, headers = sent, timeout = 5000 }
    txn:set_var("txn.firstkey", tostring(answer and answer.status or 503))
    if answer and answer.status == 200 then
        for name, values in pairs(answer.headers) do
            if string.sub(name, 1, 11) == "x-firstkey-" then
                txn.http:req_set_header(name, values[0])
            end
        end
    end
end

core.register_action("firstkey", { "http-req" }, verify, 1)
