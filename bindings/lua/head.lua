-- leoam.lua: LeoAM for LuaJIT programs, engines and editors, in this one file. It needs libleoam.so and nothing else.
--
--   local leoam = require "leoam"
--   local model = leoam.instance():load_model("model.gguf")
--   local session = model:session { policy = "leoam" }
--   local prompt = model:tokenize_chat { { role = "user", content = "Who wrote this licence?" } }
--   for text in session:generate({ prompt = prompt }):texts() do io.write(text) end
--
-- Options are tables with the names of the fields in leoam.h; flags are booleans named like them
-- (`ignore_end = true` is LEOAM_REQUEST_IGNORE_END), values of enumerations strings ("k8v4", "step"), sizes are in
-- bytes, math.huge means no limit. An option that is not known is an error. What the library fills comes back as
-- such tables. Tokens are arrays of ids, from 1; logits are arrays [n_vocab], from 1.
--
-- Failures are raised with error(): a table with `code`, `name` ("no_space"), `message`, and of "no_space"
-- `needed_bytes` and `available_bytes`; tostring of it is a sentence.
--
-- Objects are given back with close(), or when they are collected; using one afterwards raises "invalid_handle".
-- A session or request keeps what it needs alive. Functions that are given (on_progress, on_logits, on_key) run
-- inside the call that takes them, return false to stop it, and may raise errors, which come out of that call.
--
-- Thread rule: one Lua state is one thread; several states may use the library at once, with objects of their
-- own. No function of Lua is ever called from a thread of the library: tokens are polled or stepped, and the log
-- goes to nobody.
local ffi = require "ffi"

-- Functions that call back cannot be called from compiled code.
jit.off(true, true)
