-- Starts the language server of dtm for its files. Works with Neovim 0.7 and later.
local M = {}

--- Options: `cmd`, how the server is started; `on_attach(client, buffer)`.
M.options = { cmd = nil, on_attach = nil }

function M.setup(options)
  M.options = vim.tbl_extend("force", M.options, options or {})
end

--- The command that starts the server: as configured, from $DTM, from the path, from where it is installed.
function M.command()
  if M.options.cmd then
    return M.options.cmd
  end
  for _, program in ipairs({ vim.env.DTM or "", "dtm", vim.fn.expand("~/.local/bin/dtm") }) do
    if program ~= "" and vim.fn.executable(program) == 1 then
      return { program, "lsp" }
    end
  end
  return nil
end

--- The folder of the project: that of the nearest `main.dts` upwards.
function M.root(path)
  local found = vim.fn.findfile("main.dts", vim.fn.fnamemodify(path, ":p:h") .. ";")
  return vim.fn.fnamemodify(found ~= "" and found or path, ":p:h")
end

local clients = {}
local told = false

function M.attach(buffer)
  local command = M.command()
  if not command then
    if not told then
      told = true
      vim.notify("dtm was not found: install it, or set its place with require('dtm').setup({ cmd = { '/path/to/dtm', 'lsp' } })", vim.log.levels.WARN)
    end
    return nil
  end
  local root = M.root(vim.api.nvim_buf_get_name(buffer))
  local client = clients[root]
  if not client or not vim.lsp.get_client_by_id(client) then
    client = vim.lsp.start_client({
      name = "dtm",
      cmd = command,
      root_dir = root,
      on_attach = M.options.on_attach,
      on_exit = function()
        clients[root] = nil
      end,
    })
    clients[root] = client
  end
  if client then
    vim.lsp.buf_attach_client(buffer, client)
  end
  return client
end

return M
