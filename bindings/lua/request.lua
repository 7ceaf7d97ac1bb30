-- A request: its events, polled or stepped.

local release_request = Request.close
function Request:close()
  release_request(self)
  if self.callback then self.callback:free() end
  self.callback = nil
end

-- The next event, { kind = "prefill" | "token" | "finished", text, token, finish_reason, done_tokens, total_tokens,
-- coverage }, or nil when there is none now.
function Request:poll()
  local event = new_struct "leoam_event"
  call("leoam_request_poll", self:get(), event)
  if event.kind == 0 then return nil end
  return to_table("leoam_event", event)
end

-- Works for about budget_us; true when the request has finished.
function Request:step(budget_us)
  local finished = ffi.new "int32_t[1]"
  call("leoam_request_step", self:get(), checked_number("budget_us", budget_us or 0), finished)
  if self.failure and self.failure[1] then error(table.remove(self.failure)[1], 0) end
  return finished[0] == 1
end

-- A file descriptor that is readable while events wait: for an editor's loop.
function Request:event_fd()
  local fd = ffi.new "int32_t[1]"
  call("leoam_request_get_event_fd", self:get(), fd)
  return fd[0]
end

function Request:cancel() check(lib.leoam_request_cancel(self:get())) end
function Request:detach() call("leoam_request_detach", self:get()) end

-- True when it has finished, false after timeout_us (default: none).
function Request:wait(timeout_us)
  local e = new_error()
  local code = lib.leoam_request_wait(self:get(), checked_number("timeout_us", timeout_us or math.huge), e)
  if code == enums.leoam_status.error_busy then return false end
  check(code, e)
  return true
end

-- "stop", "length", "cancelled", or "none" while it runs. Raises the failure of one that has failed.
function Request:result()
  local reason = ffi.new "leoam_finish_reason[1]"
  call("leoam_request_get_result", self:get(), reason)
  return name_of("leoam_finish_reason", reason[0])
end

function Request:statistics() return get("leoam_request_statistics", "leoam_request_get_statistics", self:get()) end

local function next_event(self)
  for _ = 1, math.huge do
    local event = self:poll()
    if event then return event end
    if self.steps then
      self:step(0)
    else
      local fd = ffi.new("leoam_lua_pollfd", { self:event_fd(), 1, 0 })
      ffi.C.leoam_lua_poll(fd, 1, 100)
    end
  end
end

-- for event in request:events() do: waits for each; the last one is of kind "finished". A request that failed raises
-- its failure behind it.
function Request:events()
  local ended = false
  return function()
    if ended then
      self:result()
      return nil
    end
    local event = next_event(self)
    ended = event.kind == "finished"
    return event
  end
end

-- for text in request:texts() do: what is not empty, as it comes; whole code points.
function Request:texts()
  local events = self:events()
  return function()
    for event in events do
      if event.text ~= "" then return event.text end
    end
  end
end

-- All of it.
function Request:text()
  local parts = {}
  for text in self:texts() do parts[#parts + 1] = text end
  return table.concat(parts)
end

return leoam
