-- Errors, values and objects: what all of leoam.lua is made with.
ffi.cdef [[
typedef struct { int fd; short events; short revents; } leoam_lua_pollfd;
int leoam_lua_poll(leoam_lua_pollfd*, unsigned long, int) __asm__("poll");
]]

local leoam = { version = VERSION }
local lib  -- the library, from its first use
local UINT64_MAX = 0xffffffffffffffffULL
local STOP, CONTINUE = 1, 0

-- Errors.

local Error = {}
Error.__index = Error
Error.__tostring = function(self) return "leoam: " .. self.name .. ": " .. self.message end

local function raise(name, message)
  error(setmetatable({ code = enums.leoam_status["error_" .. name], name = name, message = message }, Error), 0)
end

local function new_struct(name)
  local out = ffi.new(name)
  out.struct_size = ffi.sizeof(out)
  return out
end

local function new_error() return new_struct "leoam_error" end

local function check(code, e)
  if code == 0 then return end
  local failure = { code = code, name = ffi.string(lib.leoam_error_name(code)), message = "" }
  if e then
    failure.message = ffi.string(e.message, e.message_size)
    failure.needed_bytes = tonumber(e.needed_bytes)
    failure.available_bytes = tonumber(e.available_bytes)
  end
  error(setmetatable(failure, Error), 0)
end

-- call("leoam_session_truncate", session, 10): with an error behind the arguments.
local function call(name, ...)
  local e = new_error()
  local n = select("#", ...)
  local arguments = { ... }
  arguments[n + 1] = e
  check(lib[name](unpack(arguments, 1, n + 1)), e)
end

-- Values.

local function name_of(enum, value)
  for name, number in pairs(enums[enum]) do
    if number == value then return name end
  end
  return value
end

local function text_of(view)
  return view.size > 0 and ffi.string(view.data, view.size) or ""
end

local function number_of(value)
  if value == UINT64_MAX then return math.huge end
  return tonumber(value)
end

-- A struct that the library has filled.
local function to_table(name, from)
  local out = {}
  for field, kind in pairs(structs[name].fields) do
    local value = from[field]
    if kind == "number" then
      out[field] = number_of(value)
    elseif kind == "string" then
      out[field] = text_of(value)
    elseif kind == "text" then
      out[field] = ffi.string(value)
    elseif kind == "bytes" then
      out[field] = ffi.string(value, ffi.sizeof(value))
    elseif kind == "numbers" then
      out[field] = {}
      for i = 1, ffi.sizeof(value) / ffi.sizeof(value[0]) do out[field][i] = number_of(value[i - 1]) end
    elseif kind == "flags" then
      for flag, bits in pairs(structs[name].flags) do out[flag] = value % (2 * bits) >= bits end
    elseif kind ~= "pointer" then
      out[field] = name_of(kind, value)
    end
  end
  return out
end

local function checked_number(field, value)
  if type(value) ~= "number" or value ~= value then raise("invalid_argument", field .. ": expected a number") end
  if value == math.huge then return UINT64_MAX end
  return value
end

local function checked_text(field, value)
  if type(value) ~= "string" then raise("invalid_argument", field .. ": expected a string") end
  return value
end

-- A struct for the library from a table; `kept` takes what must live as long as it does. `own`: names that the
-- caller looks after.
local function to_struct(name, options, kept, own)
  local out = new_struct(name)
  kept[#kept + 1] = out
  for field, value in pairs(options or {}) do
    local kind, bits = structs[name].fields[field], structs[name].flags[field]
    if own and own[field] then
      -- Somebody else's.
    elseif bits then
      if type(value) ~= "boolean" then raise("invalid_argument", field .. ": expected true or false") end
      if value then out.flags = out.flags + bits end
    elseif kind == "number" then
      value = checked_number(field, value)
      if value ~= UINT64_MAX and (value < 0 or value > 2 ^ 53) then
        raise("invalid_argument", field .. ": out of range")
      end
      out[field] = value
    elseif kind == "string" then
      kept[#kept + 1] = checked_text(field, value)
      out[field].data, out[field].size = value, #value
    elseif enums[kind] then
      out[field] = enums[kind][value] or raise("invalid_argument", field .. ": there is no " .. tostring(value))
    else
      raise("invalid_argument", "there is no option " .. tostring(field))
    end
  end
  return out
end

local function token_array(tokens)
  if type(tokens) ~= "table" then raise("invalid_argument", "tokens: expected an array of ids") end
  for i, token in ipairs(tokens) do checked_number("token " .. i, token) end
  return ffi.new("int32_t[?]", #tokens, tokens)
end

local function array_of(values, n)
  local out = {}
  for i = 1, n do out[i] = values[i - 1] end
  return out
end

-- Asks for a count, then for so many of `element`: fill(buffer, capacity, count, error).
local function collect(element, guess, fill)
  for _ = 1, 8 do
    local e, count = new_error(), ffi.new "uint64_t[1]"
    local buffer = ffi.new(element .. "[?]", guess)
    local code = fill(buffer, guess, count, e)
    if code == 0 then return buffer, tonumber(count[0]) end
    if code ~= enums.leoam_status.error_no_space or count[0] <= guess then check(code, e) end
    guess = tonumber(count[0])
  end
  raise("internal", "the list grows while it is read")
end

-- Runs work(callbacks), where callbacks.add(type, function) makes a function of C that lives until work is done. An
-- error in one of them stops the work and comes out here.
local function with_callbacks(work)
  local made, failure = {}, nil
  local callbacks = {}
  function callbacks.add(type_name, fn)
    if fn == nil then return nil end
    local callback = ffi.cast(type_name, function(...)
      local ok, result = pcall(fn, ...)
      if ok then return result == false and STOP or CONTINUE end
      failure = failure or { result }
      return STOP
    end)
    made[#made + 1] = callback
    return callback
  end
  local ok, result = pcall(work, callbacks)
  for _, callback in ipairs(made) do callback:free() end
  if failure then error(failure[1], 0) end
  if not ok then error(result, 0) end
  return result
end

local function add_progress(callbacks, options)
  local fn = options and options.on_progress
  return callbacks.add("leoam_progress_function", fn and function(done, total) return fn(tonumber(done), tonumber(total)) end)
end

-- Objects.

local function class(type_name, release)
  local Class = {}
  Class.__index = Class
  -- Idempotent. What runs on other threads with the object ends first or is cancelled, as leoam.h says.
  function Class:close()
    local handle = rawget(self, "handle")
    if handle then
      self.handle = nil
      ffi.gc(handle, nil)
      lib[release](handle)
    end
  end
  function Class.own(pointer)
    return setmetatable({ handle = ffi.gc(pointer, lib[release]) }, Class)
  end
  function Class.get(self)
    local handle = type(self) == "table" and getmetatable(self) == Class and rawget(self, "handle")
    return handle or raise("invalid_handle", "the " .. type_name .. " is closed, or none")
  end
  return Class
end

local Instance = class("instance", "leoam_instance_release")
local CancelFlag = class("cancel flag", "leoam_cancel_flag_release")
local Model = class("model", "leoam_model_release")
local Session = class("session", "leoam_session_release")
local Request = class("request", "leoam_request_release")

local function flag_of(options)
  local flag = options and options.cancel
  return flag and CancelFlag.get(flag) or nil
end
