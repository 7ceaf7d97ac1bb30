-- A character who knows a long text by heart. All work is done inside of think(), on the engine's own thread and within
-- the time that a frame can spare.
local leoam = require "leoam"

local Npc = {}
Npc.__index = Npc

-- Pieces of a prompt that are short enough for a frame: a step overruns its time by one layer of one piece at most.
local PIECE_TOKENS = 8

-- options: model (path), persona, knowledge (texts), n_threads, host_kv_budget_bytes.
function Npc.new(options)
  local self = setmetatable({ said = "", state = "listening", read = 0 }, Npc)
  self.instance = leoam.instance {
    n_threads = options.n_threads or 2,
    host_kv_budget_bytes = options.host_kv_budget_bytes,
    state_folder = options.state_folder,
  }
  self.model = self.instance:load_model(options.model)
  self.session = self.model:session { policy = "leoam", piece_tokens = PIECE_TOKENS }
  self.messages = { { role = "system", content = options.persona .. "\n\n" .. options.knowledge } }
  return self
end

function Npc:hear(question)
  self:shut_up()
  self.messages[#self.messages + 1] = { role = "user", content = question }
  self.said, self.read = "", 0
  -- What the session knows already is not read again.
  local prompt = self.session:keep_common(self.model:tokenize_chat(self.messages))
  self.request = self.session:generate { prompt = prompt, delivery = "step", max_tokens = 120, temperature = 0.3,
    seed = 1 }
  self.state = "thinking"
end

-- Once a frame: about budget_us of work. Returns what was said new.
function Npc:think(budget_us)
  if not self.request then return "" end
  self.request:step(budget_us)
  local new = ""
  for event in self.request.poll, self.request do
    new = new .. event.text
    if event.kind == "prefill" then self.read = event.done_tokens / event.total_tokens end
    if event.kind == "token" then self.state = "speaking" end
    if event.kind == "finished" then return self:finish(new) end
  end
  self.said = self.said .. new
  return new
end

function Npc:finish(new)
  self.said = self.said .. new
  self.messages[#self.messages + 1] = { role = "assistant", content = self.said }
  self.request:close()
  self.request, self.state = nil, "listening"
  return new
end

function Npc:shut_up()
  if not self.request then return end
  self.request:close()
  self.request, self.state = nil, "listening"
  -- What was asked stays unanswered.
  self.messages[#self.messages] = nil
end

-- Before the module is loaded anew, and at the end: nothing of the library runs behind it.
function Npc:close()
  self:shut_up()
  self.session:close()
  self.model:close()
  self.instance:close()
end

return Npc
