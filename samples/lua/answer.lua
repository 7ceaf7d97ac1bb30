-- Asks a model one question. usage: luajit answer.lua MODEL.gguf QUESTION
local leoam = require "leoam"
local path, question = unpack(arg)
if not question then error("usage: luajit answer.lua MODEL.gguf QUESTION", 0) end
local model = leoam.instance():load_model(path)
local session = model:session()
local prompt = model:tokenize_chat { { role = "user", content = question } }
for text in session:generate({ prompt = prompt }):texts() do
  io.write(text)
  io.flush()
end
print()
