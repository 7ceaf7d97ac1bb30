-- A project: the folder with the version control, and the session that is kept for it between runs of the editor, in
-- an encrypted file.
local M = {}

local Project = {}
Project.__index = Project
local open = {}  -- by root

local function state_folder()
  local folder = vim.fn.stdpath "data" .. "/leoam"
  vim.fn.mkdir(folder, "p", "0700")
  return folder
end

local function root()
  local marker = vim.fn.finddir(".git", vim.fn.expand "%:p:h" .. ";")
  return marker ~= "" and vim.fn.fnamemodify(marker, ":p:h:h") or vim.fn.getcwd()
end

-- The key of all session files of this editor: 32 random bytes in a file of the user alone.
local function key()
  local path = state_folder() .. "/key"
  local old = vim.loop.fs_open(path, "r", 0)
  local fd = old or assert(vim.loop.fs_open(path, "wx", tonumber("600", 8)))
  local bytes = old and vim.loop.fs_read(fd, 32, 0) or vim.loop.random(32)
  if not old then vim.loop.fs_write(fd, bytes, 0) end
  vim.loop.fs_close(fd)
  return bytes
end

local function session_path(of) return state_folder() .. "/" .. vim.fn.sha256(of):sub(1, 32) .. ".session" end

function M.of_current(model, options)
  local of = root()
  if open[of] then return open[of] end
  local self = setmetatable({ root = of, path = session_path(of), turns = {} }, Project)
  local ok, session = pcall(model.open_session, model, self.path,
    vim.tbl_extend("force", options, { key = key() }))
  if ok then
    self.session, self.in_file = session, true
  elseif session.name == "not_found" then
    self.session = model:session(options)
  else
    -- Another model, another editor that has it open, damage: what is there stays, this run keeps nothing.
    vim.notify("leoam: yesterday's session stays closed: " .. session.message, vim.log.levels.WARN)
    self.session, self.unsaved = model:session(options), true
  end
  open[of] = self
  return self
end

-- What was said about another text is of no use for this one.
function Project:about(document)
  local hash = vim.fn.sha256(document)
  if hash ~= self.document then self.turns = {} end
  self.document = hash
end

function Project:save()
  if self.unsaved then return end
  if self.in_file then
    self.session:save()
  else
    self.session:save(self.path, { key = key() })
    self.in_file = true
  end
end

function M.forget_current(instance)
  local of = root()
  local self = open[of]
  if self then self.session:close() end
  open[of] = nil
  local ok, failure = pcall(instance.remove_session_file, instance, session_path(of))
  if not ok and failure.name ~= "not_found" then error(failure, 0) end
end

return M
