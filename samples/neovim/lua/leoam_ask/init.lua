-- Asks a local model about the current buffer; the answer streams into a split while you go on editing.
local project = require "leoam_ask.project"
local window = require "leoam_ask.window"

local M = {}

local settings = {
  model = nil,    -- path of a GGUF file
  library = nil,  -- path of libleoam.so; nil: where leoam.lua looks
  instance = {},  -- options of leoam.instance: n_threads, host_kv_budget_bytes, ...
  session = { policy = "leoam" },
  answer = { max_tokens = 400 },
}

local leoam, instance, model
local running  -- { request, poll, window, project, question, text }

function M.setup(options) settings = vim.tbl_deep_extend("force", settings, options or {}) end

local function tell(message, level) vim.notify("leoam: " .. tostring(message), level or vim.log.levels.INFO) end

local function load()
  if model then return end
  if not settings.model then error("set a model: require('leoam_ask').setup { model = 'FILE.gguf' }", 0) end
  leoam = require "leoam"
  leoam.load_library(settings.library)
  instance = instance or leoam.instance(settings.instance)
  tell("loading " .. vim.fn.fnamemodify(settings.model, ":t"))
  model = instance:load_model(settings.model)
end

-- The conversation about a text: the text first, so that its KV serves every question about it.
local function conversation(document, turns, question)
  local messages = { { role = "system", content = "Answer from this document.\n\n" .. document } }
  for _, turn in ipairs(turns) do
    messages[#messages + 1] = { role = "user", content = turn.question }
    messages[#messages + 1] = { role = "assistant", content = turn.answer }
  end
  messages[#messages + 1] = { role = "user", content = question }
  return messages
end

local function finish()
  local one = running
  running = nil
  one.poll:stop()
  one.poll:close()
  local ok, reason = pcall(one.request.result, one.request)
  one.request:close()
  if ok and reason ~= "cancelled" then
    table.insert(one.project.turns, { question = one.question, answer = one.text })
  end
  one.window:finish(ok and reason or tostring(reason))
  local saved, failure = pcall(one.project.save, one.project)
  if not saved then tell("not saved: " .. tostring(failure), vim.log.levels.WARN) end
end

-- Events that wait, on the editor's own loop.
local function take_events()
  local one = running
  if not one then return end
  local ok, failure = pcall(function()
    for event in one.request.poll, one.request do
      if event.kind == "prefill" then
        one.window:progress(event.done_tokens, event.total_tokens)
      else
        one.text = one.text .. event.text
        one.window:append(event.text)
      end
      if event.kind == "finished" then one.finished = true end
    end
  end)
  if not ok then tell(failure, vim.log.levels.ERROR) end
  if one.finished or not ok then
    finish()
  else
    one.listen()
  end
end

function M.ask(question)
  if running then return tell("an answer is coming; :LeoamCancel stops it", vim.log.levels.WARN) end
  local ok, failure = pcall(function()
    load()
    local document = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
    local here = project.of_current(model, settings.session)
    here:about(document)
    local tokens = model:tokenize_chat(conversation(document, here.turns, question))
    local options = vim.tbl_extend("force", settings.answer, {
      prompt = here.session:keep_common(tokens),
    })
    local one = { project = here, question = question, text = "" }
    one.request = here.session:generate(options)
    one.window = window.open(question)
    one.poll = vim.loop.new_poll(one.request:event_fd())
    -- The descriptor stays readable until its events are taken, which happens outside of the loop's callback.
    one.listen = function()
      one.poll:start("r", function()
        one.poll:stop()
        vim.schedule(take_events)
      end)
    end
    running = one
    one.listen()
  end)
  if not ok then tell(failure, vim.log.levels.ERROR) end
end

function M.cancel()
  if running then running.request:cancel() end
end

function M.forget()
  if running then return tell("an answer is coming; :LeoamCancel stops it", vim.log.levels.WARN) end
  local ok, failure = pcall(function()
    load()
    project.forget_current(instance)
  end)
  if not ok then tell(failure, vim.log.levels.ERROR) end
end

function M.is_running() return running ~= nil end

return M
