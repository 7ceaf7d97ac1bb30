-- The game: a lighthouse at night, its keeper, and a line to ask him.
local Npc = require "npc"

local BUDGET_US = 2000

local game = { line = "", npc = nil, waves = 0 }

local function knowledge() return (love.filesystem.read "fenwick.txt") end

function game.start()
  game.npc = Npc.new {
    model = os.getenv "LEOAM_MODEL" or error("set LEOAM_MODEL to a GGUF file with a chat template", 0),
    persona = "You are Old Tam, keeper of the Fenwick lighthouse. Answer in one or two short sentences.",
    knowledge = knowledge(),
    state_folder = love.filesystem.getSaveDirectory() .. "/kv",
  }
end

-- F5: the character's code is loaded anew while the game goes on.
function game.reload()
  game.npc:close()
  package.loaded.npc = nil
  Npc = require "npc"
  game.start()
  collectgarbage()
end

function love.load()
  love.keyboard.setKeyRepeat(true)
  game.start()
end

function love.update(dt)
  game.waves = game.waves + dt
  game.npc:think(BUDGET_US)
end

function love.textinput(text) game.line = game.line .. text end

function love.keypressed(key)
  if key == "return" and game.line ~= "" then
    game.npc:hear(game.line)
    game.asked, game.line = game.line, ""
  elseif key == "backspace" then
    -- One whole code point.
    game.line = game.line:gsub("[%z\1-\127\194-\244][\128-\191]*$", "")
  elseif key == "escape" then
    game.npc:shut_up()
  elseif key == "f5" then
    game.reload()
  end
end

function love.quit() game.npc:close() end

local function scene(width, height)
  local g = love.graphics
  g.clear(0.05, 0.07, 0.15)
  -- The beam turns as long as frames come: whoever stalls the engine is seen.
  local x, y = width * 0.16, height * 0.30
  local angle = game.waves * 0.9
  g.setColor(1, 0.95, 0.6, 0.25)
  g.polygon("fill", x, y, x + 900 * math.cos(angle - 0.08), y + 900 * math.sin(angle - 0.08),
    x + 900 * math.cos(angle + 0.08), y + 900 * math.sin(angle + 0.08))
  g.setColor(0.85, 0.85, 0.9)
  g.polygon("fill", x - 26, height * 0.86, x - 14, y, x + 14, y, x + 26, height * 0.86)
  g.setColor(1, 0.85, 0.4)
  g.circle("fill", x, y - 8, 12)
  for i = 0, 23 do
    g.setColor(0.1, 0.2 + 0.01 * i, 0.35)
    g.ellipse("fill", i * 44, height * 0.92 + 6 * math.sin(game.waves * 1.7 + i), 34, 16)
  end
end

function love.draw()
  local g = love.graphics
  local width, height = g.getDimensions()
  scene(width, height)
  local npc, left = game.npc, width * 0.32
  g.setColor(0.9, 0.9, 0.95)
  if game.asked then g.printf("You: " .. game.asked, left, 40, width - left - 40) end
  g.setColor(1, 0.9, 0.65)
  g.printf(npc.said, left, 90, width - left - 40)
  if npc.state == "thinking" then
    g.printf(("Old Tam remembers ... %d %%"):format(npc.read * 100), left, 90, width - left - 40)
  end
  g.setColor(0.7, 0.75, 0.85)
  g.printf("> " .. game.line .. "_", left, height - 70, width - left - 40)
  g.printf(("Enter asks, Escape stops, F5 reloads the character    %d frames a second"):format(love.timer.getFPS()),
    left, height - 36, width - left - 40)
end

return game
