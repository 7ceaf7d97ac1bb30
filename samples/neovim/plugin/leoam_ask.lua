-- The commands; everything else is loaded when one is used.
vim.api.nvim_create_user_command("LeoamAsk", function(command) require("leoam_ask").ask(command.args) end,
  { nargs = "+", desc = "Ask a local model about this buffer" })
vim.api.nvim_create_user_command("LeoamCancel", function() require("leoam_ask").cancel() end,
  { desc = "Stop the answer" })
vim.api.nvim_create_user_command("LeoamForget", function() require("leoam_ask").forget() end,
  { desc = "Remove what is kept for this project" })
