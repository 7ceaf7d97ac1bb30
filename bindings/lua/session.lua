-- A session: tokens and their KV.

function Session:info() return get("leoam_session_info", "leoam_session_get_info", self:get()) end
function Session:kv_choice() return get("leoam_kv_choice", "leoam_session_get_kv_choice", self:get()) end
function Session:file_info() return get("leoam_session_file_info", "leoam_session_get_file_info", self:get()) end

-- Appends tokens and computes their KV. options: all_logits, audit, on_progress(tokens done, in all), cancel, and
-- on_logits(position, logits [n_vocab] from 0, n_vocab), valid during the call.
function Session:evaluate(tokens, options)
  local ids = token_array(tokens)
  with_callbacks(function(callbacks)
    local own = { on_progress = true, on_logits = true, cancel = true }
    local struct = to_struct("leoam_evaluate_options", options, {}, own)
    local on_logits = options and options.on_logits
    struct.on_logits = callbacks.add("leoam_logits_function", on_logits and function(position, logits, n_vocab)
      return on_logits(tonumber(position), logits, tonumber(n_vocab))
    end)
    struct.on_progress = add_progress(callbacks, options)
    struct.cancel = flag_of(options)
    call("leoam_session_evaluate", self:get(), ids, #tokens, struct)
  end)
end

-- Drops the tokens from the n_tokens-th on.
function Session:truncate(n_tokens) call("leoam_session_truncate", self:get(), checked_number("n_tokens", n_tokens)) end

-- Goes on with a sequence of ids that may begin as this one does: drops the tokens that differ, and returns the ids that
-- are left to be read, the newest at least, for its logits.
function Session:keep_common(ids)
  local known = self:tokens()
  local n = 0
  while n < math.min(#known, #ids - 1) and known[n + 1] == ids[n + 1] do n = n + 1 end
  -- A model with sliding layers may have forgotten what is before n.
  if n < #known and not pcall(self.truncate, self, n) then
    self:truncate(0)
    n = 0
  end
  local rest = {}
  for i = n + 1, #ids do rest[#rest + 1] = ids[i] end
  return rest
end

-- Ids of all tokens.
function Session:tokens()
  local n = self:info().n_tokens
  local ids = ffi.new("int32_t[?]", n)
  call("leoam_session_copy_tokens", self:get(), 0, ids, n)
  return array_of(ids, n)
end

-- Logits [n_vocab] of the newest token.
function Session:logits()
  local n = self:info().n_vocab
  local logits = ffi.new("float[?]", n)
  call("leoam_session_copy_logits", self:get(), logits, n)
  return array_of(logits, n)
end

-- A session with the same tokens; KV is shared until one of the two changes it.
function Session:fork()
  local out = ffi.new "leoam_session*[1]"
  call("leoam_session_fork", self:get(), out)
  return Session.own(out[0])
end

-- All KV leaves memory until it is needed again. options: on_progress(bytes of KV done, in all), cancel.
function Session:suspend(options)
  with_callbacks(function(callbacks)
    local struct = to_struct("leoam_suspend_options", options, {}, { on_progress = true, cancel = true })
    struct.on_progress = add_progress(callbacks, options)
    struct.cancel = flag_of(options)
    call("leoam_session_suspend", self:get(), struct)
  end)
end

-- Durable when it returns: the first time into a new file, with `key` (32 bytes, or a function that returns them) or
-- `plaintext = true`; later into the same one, without path. options: key, plaintext, on_progress(bytes of KV in the
-- file, in all), cancel.
function Session:save(path, options)
  with_callbacks(function(callbacks)
    local kept = {}
    local struct = to_struct("leoam_save_options", options, kept, file_options)
    if path ~= nil then struct.path.data, struct.path.size = checked_text("path", path), #path end
    set_key(struct, options and options.key, kept, callbacks)
    struct.on_progress = add_progress(callbacks, options)
    struct.cancel = flag_of(options)
    call("leoam_session_save", self:get(), struct)
  end)
end

-- Starts a generation. options: of leoam_request_options and leoam_sampler_options; prompt: ids; stop: a
-- list of texts; delivery: "poll" (in the background, the default) or "step" (inside Request:step and the iterators);
-- on_logits(logits [n_vocab] from 0, n_vocab) with "step" only.
function Session:generate(options)
  options = options or {}
  if options.delivery == "callback" then
    raise("unsupported", "delivery: functions of Lua cannot be called from a thread of the library; poll or step")
  end
  local kept, request, sampler = {}, {}, {}
  for name, value in pairs(options) do
    local is_sampler = structs.leoam_sampler_options.fields[name] ~= nil
    if is_sampler then sampler[name] = value else request[name] = value end
  end
  local own = { prompt = true, stop = true, on_logits = true }
  local struct = to_struct("leoam_request_options", request, kept, own)
  local prompt = token_array(options.prompt or {})
  struct.prompt, struct.n_prompt = prompt, #(options.prompt or {})
  struct.sampler = to_struct("leoam_sampler_options", sampler, kept)
  local stop = ffi.new("leoam_string[?]", #(options.stop or {}))
  for i, text in ipairs(options.stop or {}) do
    stop[i - 1].data, stop[i - 1].size = checked_text("stop", text), #text
  end
  struct.stop, struct.n_stop = stop, #(options.stop or {})
  local callback, failure
  if options.on_logits then
    if options.delivery ~= "step" then raise("invalid_argument", "on_logits: needs delivery = \"step\"") end
    failure = {}
    callback = ffi.cast("leoam_sampler_function", function(logits, n_vocab)
      local ok, result = pcall(options.on_logits, logits, tonumber(n_vocab))
      if not ok then failure[1] = failure[1] or { result } end
      return ok and result ~= false and CONTINUE or STOP
    end)
    struct.on_logits = callback
  end
  local out, e = ffi.new "leoam_request*[1]", new_error()
  local code = lib.leoam_session_submit(self:get(), struct, out, e)
  if code ~= 0 and callback then callback:free() end
  check(code, e)
  local made = Request.own(out[0])
  made.callback, made.failure, made.steps = callback, failure, options.delivery == "step"
  return made
end
