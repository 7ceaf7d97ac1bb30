-- Inside of Neovim: uses the plug-in as a user would. usage: nvim ... -c "luafile drive.lua", with the environment
-- LEOAM_TEST_STEP: first (a question, a second one, a cancelled one), again (another run of the editor), forget.
local ask = require "leoam_ask"
local step = os.getenv "LEOAM_TEST_STEP"

local function expect(value, message)
  if value then return end
  io.stderr:write("FAILED: " .. step .. ": " .. (message or "") .. "\n" .. debug.traceback() .. "\n")
  os.exit(1)
end
local function wait(limit_s, done) expect(vim.wait(limit_s * 1000, done, 5), "it did not come in time") end

local patience = tonumber(os.getenv "LEOAM_TEST_PATIENCE" or "1")
local notified = {}
vim.notify = function(text) notified[#notified + 1] = text end

ask.setup {
  model = os.getenv "LEOAM_TEST_MODEL",
  instance = { n_threads = 2, state_folder = os.getenv "XDG_STATE_HOME" .. "/leoam" },
  answer = { max_tokens = 24 },
}

local editing = vim.api.nvim_get_current_buf()
local function answer()
  local wins = vim.api.nvim_list_wins()
  local buffer = vim.api.nvim_win_get_buf(wins[#wins])
  expect(buffer ~= editing, "there is no split: " .. table.concat(notified, "; "))
  return table.concat(vim.list_slice(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), 3), "\n")
end

-- What was computed of a prompt, as its request says.
local prefilled
local function watch_prefill()
  local leoam = require "leoam"
  leoam.load_library()
  local instance = leoam.instance
  leoam.instance = function(...)
    local one = instance(...)
    local Session, Request
    local load = one.load_model
    one.load_model = function(...)
      local model = load(...)
      local session = model:session()
      Session = getmetatable(session)
      session:close()
      local generate = Session.generate
      Session.generate = function(...)
        local request = generate(...)
        Request = getmetatable(request)
        local close = Request.close
        request.close = function(self)
          prefilled = self:statistics().prefilled_tokens
          close(self)
        end
        return request
      end
      return model
    end
    return one
  end
end

local function ask_and_wait(question)
  vim.cmd("LeoamAsk " .. question)
  wait(100 * patience, function() return not ask.is_running() end)
  return answer()
end

local function drive()
  watch_prefill()
  if step == "first" then
    -- Commands of the editor go on while the answer comes.
    vim.cmd "LeoamAsk What is this about?"
    expect(ask.is_running(), table.concat(notified, "; "))
    local typed = 0
    wait(100 * patience, function()
      typed = typed + 1
      return not ask.is_running()
    end)
    expect(typed > 20, "the editor stood still: " .. typed)
    expect(#answer() > 0, "an empty answer")
    expect(prefilled > 500, "read " .. prefilled)
    vim.cmd "LeoamAsk And who wrote it?"
    expect(prefilled ~= nil)
    vim.cmd "LeoamAsk too early"
    expect(notified[#notified]:find "is coming")
    wait(100 * patience, function() return not ask.is_running() end)
    expect(prefilled < 200, "the text was read again: " .. prefilled)
    ask.setup { answer = { max_tokens = 2000, ignore_end = true } }
    vim.cmd "LeoamAsk Write a very long story."
    wait(100 * patience, function() return #answer() > 20 end)
    vim.cmd "LeoamCancel"
    wait(5 * patience, function() return not ask.is_running() end)
  elseif step == "again" then
    expect(#ask_and_wait "What is this about?" > 0)
    expect(prefilled < 200, "yesterday's text was read again: " .. prefilled)
  elseif step == "forget" then
    vim.cmd "LeoamForget"
    expect(#vim.fn.glob(vim.fn.stdpath "data" .. "/leoam/*.session") == 0, "it is still there")
  elseif step == "no model" then
    ask.setup { model = "/nowhere.gguf" }
    vim.cmd "LeoamAsk anything"
    expect(notified[#notified]:find "/nowhere.gguf", notified[#notified])
  end
end

-- An error would leave the editor waiting for somebody to read it.
local ok, failure = xpcall(drive, debug.traceback)
expect(ok, failure)
vim.cmd "qall!"
