-- Without a library the error says what was tried and what to do. usage: luajit missing_library_test.lua
local leoam = require "leoam"
local path = "/nowhere/libleoam.so"
local ok, e = pcall(leoam.load_library, path)
assert(not ok and e.name == "not_found", tostring(e))
assert(e.message:find(path, 1, true) and e.message:find("LEOAM_LIBRARY", 1, true), e.message)
-- What the loader itself says is not lost.
assert(e.message:find "No such file", e.message)
-- Nor is another library taken for it.
ok, e = pcall(leoam.load_library, "libm.so.6")
assert(not ok and e.name == "not_found" and e.message:find("libm.so.6", 1, true), tostring(e))
