-- The split that an answer streams into.
local M = {}

local Window = {}
Window.__index = Window

function M.open(question)
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].filetype = "markdown"
  vim.bo[buffer].bufhidden = "wipe"
  local editing = vim.api.nvim_get_current_win()
  vim.cmd "botright split"
  vim.api.nvim_win_set_buf(0, buffer)
  vim.wo.wrap = true
  vim.wo.linebreak = true
  local self = setmetatable({ buffer = buffer, window = vim.api.nvim_get_current_win() }, Window)
  vim.api.nvim_set_current_win(editing)
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, { "# " .. question, "", "" })
  return self
end

-- Whoever closes the window still lets the answer finish.
function Window:is_open() return vim.api.nvim_buf_is_valid(self.buffer) end

local function status(self, text)
  if not vim.api.nvim_win_is_valid(self.window) then return end
  local shown = text:gsub("%%", "%%%%")
  vim.api.nvim_win_set_option(self.window, "statusline", " leoam: " .. shown)
end

function Window:progress(done, total) status(self, ("reading %d of %d tokens"):format(done, total)) end

function Window:append(text)
  if text == "" or not self:is_open() then return end
  local last = vim.api.nvim_buf_line_count(self.buffer) - 1
  local line = vim.api.nvim_buf_get_lines(self.buffer, last, -1, false)[1]
  vim.api.nvim_buf_set_text(self.buffer, last, #line, last, #line, vim.split(text, "\n", { plain = true }))
  if vim.api.nvim_win_is_valid(self.window) then
    vim.api.nvim_win_set_cursor(self.window, { vim.api.nvim_buf_line_count(self.buffer), 0 })
  end
  status(self, "answering; :LeoamCancel stops it")
end

function Window:finish(reason) status(self, reason) end

return M
