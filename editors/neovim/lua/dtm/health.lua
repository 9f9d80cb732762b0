-- `:checkhealth dtm`
local M = {}

local health = vim.health or require("health")
local start = health.start or health.report_start
local ok = health.ok or health.report_ok
local warn = health.warn or health.report_warn
local bad = health.error or health.report_error

function M.check()
  start("dtm")
  if vim.fn.has("nvim-0.7") == 1 then
    ok("Neovim is new enough")
  else
    bad("Neovim 0.7 or later is needed")
  end
  local command = require("dtm").command()
  if not command then
    bad("the program `dtm` was not found", { "install dtm", "or name it: require('dtm').setup({ cmd = { '/path/to/dtm', 'lsp' } })" })
    return
  end
  local version = vim.fn.system({ command[1], "version" })
  if vim.v.shell_error == 0 then
    ok(vim.trim(version) .. ": " .. command[1])
  else
    warn("`" .. command[1] .. " version` failed: " .. vim.trim(version))
  end
end

return M
