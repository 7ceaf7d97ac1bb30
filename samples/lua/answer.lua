-- Asks a model one question. usage: luajit answer.lua MODEL.gguf QUESTION
local leoam = require "leoam"
local path, question = unpack(arg)
local model = leoam.instance():load_model(assert(path, "usage: luajit answer.lua MODEL.gguf QUESTION"))
local session = model:session()
local prompt = model:tokenize_chat { { role = "user", content = question } }
for text in session:generate({ prompt = prompt }):texts() do
  io.write(text)
  io.flush()
end
print()
