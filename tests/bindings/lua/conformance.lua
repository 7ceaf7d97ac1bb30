-- What every language layer of LeoAM does alike, in Lua. usage: luajit conformance.lua [CASE]
-- Environment: LEOAM_LIBRARY, LEOAM_MODELS, LUA_PATH. Exit status 0, 1 (a case failed), 77 (no model: all cases skipped).
local ffi = require "ffi"
local here = arg[0]:match "^(.*/)" or "./"
local leoam = require "leoam"

ffi.cdef [[
char* mkdtemp(char* pattern);
int usleep(unsigned);
typedef struct { long s; long us; } test_time;
int gettimeofday(test_time*, void*);
]]

local MODEL = (os.getenv "LEOAM_MODELS" or here .. "../../../models") .. "/SmolLM2-135M-Instruct.Q4_1.gguf"
local KEY = ("k"):rep(32)
local DOCUMENT = "The lighthouse keeper of Fenwick counts ships. On Monday he saw nine, on Tuesday four. "

-- Helpers.

local function now_s()
  local t = ffi.new "test_time"
  ffi.C.gettimeofday(t, nil)
  return tonumber(t.s) + tonumber(t.us) * 1e-6
end

local function expect(value, message) if not value then error(message or "expected otherwise", 2) end end
local function same(a, b)
  if a ~= b then error(("expected %s, found %s"):format(tostring(b), tostring(a)), 2) end
end
local function same_list(a, b)
  same(#a, #b)
  for i = 1, #a do same(a[i], b[i]) end
end
local function fails(name, fn, ...)
  local ok, e = pcall(fn, ...)
  expect(not ok, "expected " .. name .. ", but it worked")
  if type(e) ~= "table" then error("expected " .. name .. ", found " .. tostring(e), 2) end
  same(e.name, name)
  expect(#e.message > 0, "an error without a message")
  return e
end

local function folder()
  local pattern = ffi.new("char[?]", 64, "/tmp/leoam_lua_XXXXXX")
  return ffi.string(ffi.C.mkdtemp(pattern))
end
local function memory_kb()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s+(%d+)"
    if kb then return tonumber(kb) end
  end
end

local state = folder()
local instance = leoam.instance { n_threads = 2, state_folder = state .. "/state" }
local loaded
local function model()
  loaded = loaded or instance:load_model(MODEL)
  return loaded
end
local function tokens(n)
  local ids = model():tokenize(DOCUMENT:rep(math.ceil(n / 20) + 1), { bos = true })
  return { unpack(ids, 1, n) }
end
local function generated(session, options)
  local request = session:generate(options)
  local ids = {}
  for event in request:events() do
    if event.kind == "token" then ids[#ids + 1] = event.token end
  end
  request:close()
  return ids
end
local function write_file(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

-- Cases, in their order.

local cases, names = {}, {}
local function case(name, fn)
  names[#names + 1] = name
  cases[name] = fn
end

case("the library says what it is", function()
  local info = leoam.build_info()
  expect(info.version:match "^%d+%.%d+%.%d+$")
  expect(info.file_path:match "libleoam")
  local facts = instance:describe()
  expect(facts["cpu.chosen"])
end)

case("a model loads with progress and tells about itself", function()
  local newest, total = 0, 0
  local one = instance:load_model(MODEL, { on_progress = function(done, of)
    expect(done >= newest and done <= of)
    newest, total = done, of
  end })
  expect(newest > 0 and newest == total)
  local info = one:info()
  same(info.architecture, "llama")
  same(info.n_layers, 30)
  expect(info.has_tokenizer and info.has_chat_template and not info.header_only)
  expect(one:metadata()["general.architecture"]:match "llama")
  one:close()
  one:close()
end)

case("a plan needs the header only", function()
  local plan = instance:plan(MODEL, { context_tokens = 4096, kv_type = "f16" })
  same(plan.context_tokens, 4096)
  same(plan.fits, 1)
  same(plan.kv_token_bytes * 4096, plan.kv_bytes)
  same(plan.kv_type, "f16")
end)

case("text survives both ways", function()
  local texts = { "plain", "emoji 👩‍👩‍👧 🇪🇺", "漢字 かな 한글", "e\204\129", "a\0b", "", "  blanks  \n\t",
    "cut \240\159\152", "stray \191\128" }
  for _, text in ipairs(texts) do same(model():detokenize(model():tokenize(text)), text) end
  same(model():token(model():find_token "<|im_end|>").type, "control")
  expect(model():token(model():find_token "<|im_end|>").ends_generation)
  same(model():find_token "no such token", nil)
  expect(#model():tokenize "<|im_end|>" > 1)
  same(#model():tokenize("<|im_end|>", { special = true }), 1)
end)

case("a chat becomes the model's own format", function()
  local messages = { { role = "system", content = "Be brief." }, { role = "user", content = "Hi 👋" } }
  local text = model():render_chat(messages)
  expect(text:find("<|im_start|>user\nHi 👋<|im_end|>", 1, true))
  same_list(model():tokenize(text, { special = true }), model():tokenize_chat(messages))
  expect(#model():render_chat(messages, { no_generation_prompt = true }) < #text)
  fails("invalid_argument", function() model():tokenize_chat { { role = "user", text = "x" } } end)
end)

case("an answer streams in whole code points", function()
  local session = model():session()
  local prompt = model():tokenize_chat { { role = "user", content = "Write three emoji and the word cat." } }
  local request = session:generate { prompt = prompt, max_tokens = 24 }
  local text, kinds, n = "", {}, 0
  for event in request:events() do
    kinds[event.kind] = true
    text = text .. event.text
    n = n + (event.kind == "token" and 1 or 0)
    expect(model():detokenize(model():tokenize(event.text)) == event.text)
  end
  expect(kinds.prefill and kinds.token and kinds.finished)
  local reason = request:result()
  expect(reason == "stop" or reason == "length")
  local statistics = request:statistics()
  same(statistics.prompt_tokens, #prompt)
  same(statistics.generated_tokens, n)
  expect(statistics.time_to_first_token_us > 0)
  request:close()
  session:close()
end)

case("polled and stepped tokens are the same, and a seed repeats", function()
  local options = { prompt = tokens(40), max_tokens = 12, temperature = 0.8, seed = 7 }
  local polled = generated(model():session(), options)
  options.delivery = "step"
  same_list(generated(model():session(), options), polled)
  same(#polled, 12)
end)

case("stop texts and budgets of tokens end an answer", function()
  local text = model():session():generate({ prompt = tokens(60), max_tokens = 40, stop = { "Tuesday", "nine" } }):text()
  expect(not text:find "Tuesday" and not text:find "nine")
  local request = model():session():generate { prompt = tokens(60), max_tokens = 3, ignore_end = true }
  request:text()
  same(request:result(), "length")
end)

case("a step keeps to its budget", function()
  local request = model():session():generate { prompt = tokens(200), max_tokens = 4, delivery = "step" }
  local steps = 0
  while not request:step(2000) do steps = steps + 1 end
  expect(steps > 10)
  same(request:result(), "length")
end)

case("a cancelled answer ends soon", function()
  local request = model():session():generate { prompt = tokens(2000), max_tokens = 1000 }
  ffi.C.usleep(50000)
  local begun = now_s()
  request:cancel()
  expect(request:wait(5e6))
  local took = now_s() - begun
  expect(took < 0.1 * (tonumber(os.getenv "LEOAM_TEST_PATIENCE") or 1) + 0.4, "it took " .. took .. " s")
  same(request:result(), "cancelled")
end)

case("progress and a flag stop a prefill, which keeps whole pieces", function()
  local session = model():session { piece_tokens = 64 }
  fails("cancelled", function()
    session:evaluate(tokens(1000), { on_progress = function(done) return done < 128 end })
  end)
  local kept = session:info().n_tokens
  expect(kept >= 128 and kept < 1000 and kept % 64 == 0)
  local flag = instance:cancel_flag()
  flag:set()
  fails("cancelled", function() session:evaluate(tokens(100), { cancel = flag }) end)
  flag:clear()
  session:evaluate(tokens(10), { cancel = flag })
  same(session:info().n_tokens, kept + 10)
  flag:close()
end)

case("logits come out, and change what is drawn", function()
  local session = model():session()
  local positions = 0
  session:evaluate(tokens(20), { all_logits = true, on_logits = function(position, logits, n_vocab)
    same(position, positions)
    positions = positions + 1
    expect(n_vocab == model():info().n_vocab and logits[0] == logits[0])
  end })
  same(positions, 20)
  local logits = session:logits()
  same(#logits, model():info().n_vocab)
  local request = session:generate { delivery = "step", max_tokens = 3, ignore_end = true,
    on_logits = function(out, n) for i = 0, n - 1 do out[i] = i == 42 and 1 or 0 end end }
  for event in request:events() do
    if event.kind == "token" then same(event.token, 42) end
  end
  request:close()
  same(session:tokens()[23], 42)
  session:truncate(5)
  same(#session:tokens(), 5)
end)

case("functions that raise stop the call and nothing else", function()
  local ok, e = pcall(instance.load_model, instance, MODEL, { on_progress = function() error { mine = true } end })
  expect(not ok and e.mine)
  local session = model():session()
  ok, e = pcall(session.evaluate, session, tokens(300), { on_progress = function() error("mine", 0) end })
  expect(not ok and e == "mine")
  local request = session:generate { prompt = tokens(5), delivery = "step", on_logits = function() error("drawn", 0) end }
  ok, e = pcall(request.text, request)
  expect(not ok and e == "drawn", tostring(e))
  request:close()
  session:evaluate(tokens(3))
end)

case("a sequence goes on from what it has in common with another", function()
  local session = model():session()
  local first, second = tokens(40), tokens(30)
  same_list(session:keep_common(first), first)
  session:evaluate(first)
  second[30] = first[30] + 1
  same_list(session:keep_common(second), { second[30] })
  same(session:info().n_tokens, 29)
  session:evaluate { second[30] }
  -- The newest token is read again, for its logits.
  same_list(session:keep_common(second), { second[30] })
  same_list(session:keep_common { 5 }, { 5 })
  same(session:info().n_tokens, 0)
end)

case("sessions fork and change apart", function()
  local one = model():session()
  one:evaluate(tokens(80))
  local two = one:fork()
  local a = generated(one, { max_tokens = 8 })
  same_list(generated(two, { max_tokens = 8 }), a)
  two:truncate(10)
  same(one:info().n_tokens, 88)
end)

case("budgets change while an answer comes, and nothing else does", function()
  local options = { prompt = tokens(600), max_tokens = 30, ignore_end = true }
  local expected = generated(model():session(), options)
  local request = model():session():generate(options)
  local ids, before = {}, instance:statistics().host_kv_budget_bytes
  for event in request:events() do
    if event.kind == "token" then
      ids[#ids + 1] = event.token
      if #ids == 5 then instance:set_host_kv_budget(6 * 2 ^ 20, { on_progress = function() end }) end
      if #ids == 20 then instance:set_host_kv_budget(before) end
    end
  end
  same_list(ids, expected)
  expect(instance:statistics().disk_written_bytes > 0)
  instance:set_disk_kv_budget(2 ^ 34)
  instance:set_disk_write_cap(math.huge)
  same(instance:statistics().disk_write_cap_bytes, math.huge)
  fails("unsupported", function() instance:set_device_kv_budget(1) end)
end)

case("a session is saved and goes on where it stopped", function()
  local path = state .. "/saved.session"
  local session = model():session { policy = "leoam" }
  session:evaluate(tokens(120))
  session:save(path, { key = KEY })
  local expected = generated(session, { max_tokens = 6 })
  session:close()
  same_list(instance:session_file_tokens(path, { key = KEY }), tokens(120))
  local info = instance:session_file_info(path, { key = KEY })
  expect(info.encrypted and info.n_tokens == 120 and #info.model == 16)
  local verdict = instance:verify_session_file(path, { key = KEY })
  expect(verdict.whole and #verdict.findings == 0)
  local asked = 0
  local again = model():open_session(path, { policy = "leoam", key = function()
    asked = asked + 1
    return KEY
  end })
  same(asked, 1)
  same(again:info().policy, "leoam")
  same_list(generated(again, { max_tokens = 6 }), expected)
  again:suspend()
  again:save()
  fails("busy", function() model():open_session(path, { key = KEY }) end)
  again:close()
  fails("invalid_argument", function() model():open_session(path, { key = ("x"):rep(32) }) end)
  fails("invalid_argument", function() model():open_session(path) end)
  fails("cancelled", function() model():open_session(path, { key = function() end }) end)
  fails("invalid_argument", function() model():open_session(path, { key = function() return "short" end }) end)
  instance:compact_session_file(path, { key = KEY })
  instance:remove_session_file(path)
  fails("not_found", function() model():open_session(path, { key = KEY }) end)
end)

case("errors come by class and say what to do", function()
  fails("not_found", function() instance:load_model(state .. "/none.gguf") end)
  expect(fails("not_found", function() instance:load_model(state .. "/none.gguf") end).message:find "none.gguf")
  local file = assert(io.open(MODEL, "rb"))
  write_file(state .. "/bad.gguf", file:read(100000))
  file:close()
  fails("corrupt", function() instance:load_model(state .. "/bad.gguf") end)
  local session = model():session { context_tokens = 64 }
  fails("invalid_argument", function() session:evaluate(tokens(65)) end)
  fails("invalid_argument", function() session:evaluate { 1e6 } end)
  local small = leoam.instance { n_threads = 1, host_kv_budget_bytes = 2 ^ 20, disk_kv_budget_bytes = 1,
    state_folder = state .. "/small" }
  local full = small:load_model(MODEL):session()
  local e = fails("no_space", function() full:evaluate(tokens(900)) end)
  expect(e.needed_bytes > e.available_bytes)
  fails("unsupported", function() model():session { policy = "nonsense" } end)
  fails("invalid_argument", function() leoam.instance { n_threads = -1 } end)
  expect(tostring(e):find "no_space")
end)

case("misuse is refused", function()
  fails("invalid_argument", function() leoam.instance { threads = 2 } end)
  fails("invalid_argument", function() model():session { kv_type = "f17" } end)
  fails("invalid_argument", function() model():tokenize(7) end)
  fails("invalid_argument", function() model():session():evaluate "text" end)
  fails("invalid_argument", function() model():session():generate { prompt = tokens(3), ignore_end = 1 } end)
  fails("unsupported", function() model():session():generate { prompt = tokens(3), delivery = "callback" } end)
  local session = model():session()
  session:close()
  session:close()
  fails("invalid_handle", function() session:info() end)
  fails("invalid_handle", function() model().info(session) end)
  local request = model():session():generate { prompt = tokens(3), max_tokens = 1 }
  request:close()
  fails("invalid_handle", function() request:poll() end)
end)

case("a busy session says so, and may be closed", function()
  local session = model():session()
  local request = session:generate { prompt = tokens(1500), max_tokens = 500 }
  fails("busy", function() session:evaluate(tokens(3)) end)
  session:close()
  request:close()
end)

case("parents may be closed first", function()
  local one = leoam.instance { n_threads = 1, state_folder = state .. "/parents" }
  local its = one:load_model(MODEL)
  local session = its:session()
  one:close()
  its:close()
  same(#generated(session, { prompt = tokens(10), max_tokens = 3, ignore_end = true }), 3)
end)

case("what is not closed is collected", function()
  for _ = 1, 50 do
    model():session():evaluate(tokens(3))
    collectgarbage()
  end
  collectgarbage()
  collectgarbage()
  local used = instance:statistics().host_kv_bytes
  for _ = 1, 50 do model():session():evaluate(tokens(3)) end
  collectgarbage()
  collectgarbage()
  expect(instance:statistics().host_kv_bytes <= used + 2 ^ 22)
end)

case("two hundred instances come and go without growth", function()
  local before
  for i = 1, 200 do
    local one = leoam.instance { n_threads = 2, state_folder = state .. "/many" }
    one:plan(MODEL, { context_tokens = 1024 })
    one:close()
    if i == 20 then
      collectgarbage()
      before = memory_kb()
    end
  end
  collectgarbage()
  local grown = memory_kb() - before
  expect(grown < 8192, "it grew by " .. grown .. " KiB")
end)

case("an event descriptor wakes a loop", function()
  local request = model():session():generate { prompt = tokens(30), max_tokens = 5, ignore_end = true }
  expect(request:event_fd() >= 0)
  same(#request:text() > 0, true)
  local stepped = model():session():generate { prompt = tokens(3), delivery = "step" }
  fails("invalid_argument", function() stepped:event_fd() end)
end)

case("detach ends what runs", function()
  local one = leoam.instance { n_threads = 2, state_folder = state .. "/detach" }
  local request = one:load_model(MODEL):session():generate { prompt = tokens(1000), max_tokens = 100 }
  one:detach()
  expect(request:wait(5e6))
  same(request:result(), "cancelled")
end)

-- Runner.

local present = io.open(MODEL)
if not present then
  print("SKIPPED: all cases: " .. MODEL .. " is not there; run scripts/models.sh")
  os.exit(77)
end
present:close()
local n_failed = 0
for _, name in ipairs(names) do
  if not arg[1] or name == arg[1] then
    local begun = now_s()
    local ok, e = xpcall(cases[name], function(e) return type(e) == "string" and debug.traceback(e, 2) or e end)
    print(("%s  %s (%.1f s)"):format(ok and "ok    " or "FAILED", name, now_s() - begun))
    if not ok then
      print("        " .. tostring(e))
      n_failed = n_failed + 1
    end
  end
end
loaded:close()
instance:close()
os.execute("rm -rf '" .. state .. "'")
os.exit(n_failed == 0 and 0 or 1, true)
