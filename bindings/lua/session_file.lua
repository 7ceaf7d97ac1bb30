-- Session files that no session has open. options: key, and of verify on_progress and cancel.

local function with_file(self, path, options, work)
  checked_text("path", path)
  return with_callbacks(function(callbacks)
    return work(self:get(), file_struct(options, {}, callbacks), callbacks)
  end)
end

function Instance:session_file_info(path, options)
  return with_file(self, path, options, function(instance, file)
    local out = new_struct "leoam_session_file_info"
    call("leoam_session_file_get_info", instance, path, #path, file, out)
    return to_table("leoam_session_file_info", out)
  end)
end

function Instance:session_file_tokens(path, options)
  return with_file(self, path, options, function(instance, file)
    local tokens, n = collect("int32_t", 4096, function(...)
      return lib.leoam_session_file_copy_tokens(instance, path, #path, file, ...)
    end)
    return array_of(tokens, n)
  end)
end

-- Reads and checks everything: { whole, n_pages, ..., findings = { sentence, ... } }.
function Instance:verify_session_file(path, options)
  return with_file(self, path, options, function(instance, file, callbacks)
    local out, findings = new_struct "leoam_session_verdict", {}
    local on_finding = callbacks.add("leoam_finding_function", function(text, size)
      findings[#findings + 1] = ffi.string(text, size)
    end)
    call("leoam_session_file_verify", instance, path, #path, file, on_finding, out)
    local verdict = to_table("leoam_session_verdict", out)
    verdict.whole = verdict.whole == 1
    verdict.findings = findings
    return verdict
  end)
end

function Instance:compact_session_file(path, options)
  with_file(self, path, options, function(instance, file) call("leoam_session_file_compact", instance, path, #path, file) end)
end

function Instance:remove_session_file(path)
  call("leoam_session_file_remove", self:get(), checked_text("path", path), #path)
end
