-- A model: text, tokens and sessions.

function Model:info() return get("leoam_model_info", "leoam_model_get_info", self:get()) end

-- The file's metadata: a table, key to value as text.
function Model:metadata()
  local out, key, value = {}, ffi.new "leoam_string[1]", ffi.new "leoam_string[1]"
  for i = 0, self:info().n_metadata - 1 do
    call("leoam_model_get_metadata", self:get(), i, key, value)
    out[text_of(key[0])] = text_of(value[0])
  end
  return out
end

local function flags_of(function_name, options)
  local flags = 0
  for name, value in pairs(options or {}) do
    local bits = function_flags[function_name][name] or raise("invalid_argument", "there is no option " .. tostring(name))
    if value then flags = flags + bits end
  end
  return flags
end

-- Text -> ids. options: special, bos.
function Model:tokenize(text, options)
  checked_text("text", text)
  local tokens, n = collect("int32_t", #text + 16, function(buffer, capacity, count, e)
    return lib.leoam_model_tokenize(self:get(), text, #text, flags_of("leoam_model_tokenize", options), buffer,
      capacity, count, e)
  end)
  return array_of(tokens, n)
end

-- Ids -> bytes. options: special, continue.
function Model:detokenize(tokens, options)
  local ids = token_array(tokens)
  local text, n = collect("char", 8 * #tokens + 16, function(buffer, capacity, count, e)
    return lib.leoam_model_detokenize(self:get(), ids, #tokens, flags_of("leoam_model_detokenize", options), buffer,
      capacity, count, e)
  end)
  return ffi.string(text, n)
end

-- { type, piece, bytes, ends_generation }
function Model:token(id)
  local out = new_struct "leoam_token_info"
  call("leoam_model_get_token", self:get(), checked_number("id", id), out)
  return to_table("leoam_token_info", out)
end

-- The id that the file spells so, or nil.
function Model:find_token(piece)
  local out, e = ffi.new "int32_t[1]", new_error()
  local code = lib.leoam_model_find_token(self:get(), checked_text("piece", piece), #piece, out, e)
  if code == enums.leoam_status.error_not_found then return nil end
  check(code, e)
  return out[0]
end

local function chat_of(messages, options, kept)
  local chat = to_struct("leoam_chat", options, kept, { variables = true })
  local function list(struct_name, values)
    local out = ffi.new(struct_name .. "[?]", #values)
    kept[#kept + 1] = out
    for i, value in ipairs(values) do out[i - 1] = to_struct(struct_name, value, kept) end
    return out, #values
  end
  chat.messages, chat.n_messages = list("leoam_chat_message", messages)
  local variables = {}
  for name, value in pairs(options and options.variables or {}) do
    variables[#variables + 1] = { name = name, value = value }
  end
  chat.variables, chat.n_variables = list("leoam_chat_variable", variables)
  return chat
end

-- A conversation in the model's own format, as text for display. messages: { { role =, content = }, ... }; options:
-- no_generation_prompt, variables = { name = JSON }.
function Model:render_chat(messages, options)
  local kept = {}
  local chat = chat_of(messages, options, kept)
  local text, n = collect("char", 4096, function(...) return lib.leoam_model_render_chat(self:get(), chat, ...) end)
  return ffi.string(text, n)
end

-- And as ids, for a request.
function Model:tokenize_chat(messages, options)
  local kept = {}
  local chat = chat_of(messages, options, kept)
  local tokens, n = collect("int32_t", 1024, function(...) return lib.leoam_model_tokenize_chat(self:get(), chat, ...) end)
  return array_of(tokens, n)
end

-- options: of leoam_session_options.
function Model:session(options)
  local kept, out = {}, ffi.new "leoam_session*[1]"
  call("leoam_session_create", self:get(), to_struct("leoam_session_options", options, kept), out)
  return Session.own(out[0])
end

-- Sets key, key_size and on_key of a struct. key: 32 bytes, or a function that returns them (nil: there is none).
local function set_key(struct, key, kept, callbacks)
  if type(key) == "function" then
    struct.on_key = callbacks.add("leoam_key_function", function(into, size)
      local bytes = key()
      if bytes == nil then return false end
      if #checked_text("key", bytes) ~= tonumber(size) then
        raise("invalid_argument", ("key: expected %d bytes, found %d"):format(tonumber(size), #bytes))
      end
      ffi.copy(into, bytes, #bytes)
    end)
  elseif key ~= nil then
    kept[#kept + 1] = checked_text("key", key)
    struct.key = ffi.cast("const uint8_t*", key)
    struct.key_size = #key
  end
end

local file_options = { key = true, on_progress = true, on_finding = true, cancel = true }

local function file_struct(options, kept, callbacks)
  local struct = to_struct("leoam_session_file_options", options, kept, file_options)
  set_key(struct, options and options.key, kept, callbacks)
  struct.on_progress = add_progress(callbacks, options)
  struct.cancel = flag_of(options)
  return struct
end

-- A saved session. options: of leoam_session_options, and key.
function Model:open_session(path, options)
  checked_text("path", path)
  return with_callbacks(function(callbacks)
    local kept, out = {}, ffi.new "leoam_session*[1]"
    local session = to_struct("leoam_session_options", options, kept, file_options)
    local file = file_struct({ key = options and options.key }, kept, callbacks)
    call("leoam_model_open_session", self:get(), path, #path, session, file, out)
    return Session.own(out[0])
  end)
end
