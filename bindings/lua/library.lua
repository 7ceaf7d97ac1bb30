-- The library and its instances.

-- The file that is loaded: `path`, else $LEOAM_LIBRARY, else beside this file, else where the system looks. The first
-- use of the module loads it too, without a path. Raises an error that says what was tried.
function leoam.load_library(path)
  if lib then return end
  local here = debug.getinfo(1, "S").source:match "^@(.*/)" or ""
  local candidates = { path or os.getenv "LEOAM_LIBRARY" }
  if #candidates == 0 then candidates = { here .. "libleoam.so", "libleoam.so.0" } end
  local tried = {}
  for _, candidate in ipairs(candidates) do
    local ok, loaded = pcall(function()
      local one = ffi.load(candidate)
      return one.leoam_get_build_info and one
    end)
    if ok then
      local info, e = new_struct "leoam_build_info", new_error()
      if loaded.leoam_get_build_info(info, e) ~= 0 or info.api_version < API_VERSION then
        raise("version", ("%s has version %d of the interface, leoam.lua needs %d"):format(
          text_of(info.file_path), info.api_version, API_VERSION))
      end
      lib = loaded
      return
    end
    tried[#tried + 1] = candidate .. " (" .. tostring(loaded):gsub("^.-:%d+: ", "") .. ")"
  end
  raise("not_found", "cannot load the library; tried " .. table.concat(tried, ", ")
    .. ". Install it, or set LEOAM_LIBRARY to its path")
end

-- { version, compiler, build, file_path, api_version } of the library.
function leoam.build_info()
  leoam.load_library()
  local info = new_struct "leoam_build_info"
  call("leoam_get_build_info", info)
  return to_table("leoam_build_info", info)
end

-- Starts an instance. options: of leoam_instance_options.
function leoam.instance(options)
  leoam.load_library()
  local kept, out = {}, ffi.new "leoam_instance*[1]"
  call("leoam_instance_create", to_struct("leoam_instance_options", options, kept), out)
  return Instance.own(out[0])
end

-- Fills a struct: of the object, by a function of the library.
local function get(struct_name, function_name, handle)
  local out = new_struct(struct_name)
  call(function_name, handle, out)
  return to_table(struct_name, out)
end

-- Instance.

function Instance:statistics()
  return get("leoam_instance_statistics", "leoam_instance_get_statistics", self:get())
end

-- Facts of the library and the machine: a table, dotted key ("cpu.chosen") to value.
function Instance:describe()
  local facts, key, value = {}, ffi.new "leoam_string[1]", ffi.new "leoam_string[1]"
  for i = 0, math.huge do
    local e = new_error()
    local code = lib.leoam_instance_describe(self:get(), i, key, value, e)
    if code == enums.leoam_status.error_not_found then return facts end
    check(code, e)
    facts[text_of(key[0])] = text_of(value[0])
  end
end

-- A flag that long calls watch as their option `cancel`: set(), clear(), close().
function Instance:cancel_flag()
  local out = ffi.new "leoam_cancel_flag*[1]"
  call("leoam_cancel_flag_create", self:get(), out)
  return CancelFlag.own(out[0])
end
function CancelFlag:set() check(lib.leoam_cancel_flag_set(self:get())) end
function CancelFlag:clear() check(lib.leoam_cancel_flag_clear(self:get())) end

local function change_budget(self, name, bytes, options)
  with_callbacks(function(callbacks)
    local kept = {}
    local struct = to_struct("leoam_budget_options", options, kept, { on_progress = true, cancel = true })
    struct.on_progress = add_progress(callbacks, options)
    struct.cancel = flag_of(options)
    call(name, self:get(), checked_number("bytes", bytes), struct)
  end)
end

-- Budgets in bytes, while requests run. options: on_progress(bytes done, in all), cancel.
function Instance:set_host_kv_budget(bytes, options)
  change_budget(self, "leoam_instance_change_host_kv_budget", bytes, options)
end
function Instance:set_device_kv_budget(bytes, options)
  change_budget(self, "leoam_instance_change_device_kv_budget", bytes, options)
end
function Instance:set_disk_kv_budget(bytes)
  call("leoam_instance_set_disk_kv_budget", self:get(), checked_number("bytes", bytes))
end
function Instance:set_disk_write_cap(bytes)
  call("leoam_instance_set_disk_write_cap", self:get(), checked_number("bytes", bytes))
end

-- For hot reload: cancels all requests; when it returns nothing of them runs.
function Instance:detach() call("leoam_instance_detach", self:get()) end

-- What a model and a context will need, from the header of the file. options: of leoam_plan_options, and `load`:
-- those of load_model.
function Instance:plan(path, options)
  local kept, out = {}, new_struct "leoam_plan"
  local load = to_struct("leoam_load_options", options and options.load, kept)
  local struct = to_struct("leoam_plan_options", options, kept, { load = true, cancel = true })
  struct.cancel = flag_of(options)
  call("leoam_model_plan", self:get(), checked_text("path", path), #path, load, struct, out)
  return to_table("leoam_plan", out)
end

-- options: of leoam_load_options; on_progress(bytes done, in all).
function Instance:load_model(path, options)
  checked_text("path", path)
  return with_callbacks(function(callbacks)
    local kept, out = {}, ffi.new "leoam_model*[1]"
    local struct = to_struct("leoam_load_options", options, kept, { on_progress = true, cancel = true })
    struct.on_progress = add_progress(callbacks, options)
    struct.cancel = flag_of(options)
    call("leoam_model_load", self:get(), path, #path, struct, out)
    return Model.own(out[0])
  end)
end
