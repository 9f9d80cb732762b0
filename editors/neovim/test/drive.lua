-- Drives the editor: what is asserted here is what a person would see.
local lines = {}
local function say(text)
  for _, line in ipairs(vim.split(text, "\n")) do
    table.insert(lines, line)
  end
end
local function finish(code)
  vim.fn.writefile(lines, vim.env.TRANSCRIPT)
  if code ~= 0 then
    io.stderr:write(table.concat(lines, "\n") .. "\n")
  end
  vim.cmd(code == 0 and "qa!" or "cq")
end
local function check(what, holds)
  if not holds then
    say("FAILED: " .. what)
    finish(1)
    error(what)
  end
end
local function wait(what, test)
  check(what, vim.wait(15000, test, 20))
end
local function ask(method, line, column)
  local params = { textDocument = { uri = vim.uri_from_bufnr(0) }, position = { line = line, character = column } }
  local answers = vim.lsp.buf_request_sync(0, method, params, 15000)
  for _, answer in pairs(answers or {}) do
    return answer.result
  end
end

local ok, why = pcall(function()
  say("nvim " .. tostring(vim.version().major) .. "." .. vim.version().minor .. "." .. vim.version().patch)
  check("the first line decides the file type", vim.bo.filetype == "dtm")
  say("main.dts is of type " .. vim.bo.filetype)
  check("words are highlighted", vim.fn.synIDattr(vim.fn.synID(6, 1, 1), "name") == "dtmDeclaration")

  wait("problems are told", function()
    return #vim.diagnostic.get(0) > 0
  end)
  say("\nsquiggles:")
  for _, d in ipairs(vim.diagnostic.get(0)) do
    say(string.format("  %d:%d-%d %s", d.lnum + 1, d.col + 1, d.end_col + 1, (d.message:gsub("\n", "; "))))
  end
  check("one of them is the misspelt input", vim.tbl_contains(vim.tbl_map(function(d)
    return d.lnum + 1
  end, vim.diagnostic.get(0)), 8))

  local hover = ask("textDocument/hover", 6, 16)
  check("there is a hover", hover and hover.contents.value:find("param env", 1, true))
  say("\nhover on `env` in line 7:\n  " .. hover.contents.value:gsub("\n", "\n  "))

  local items = ask("textDocument/completion", 10, 20)
  items = items.items or items
  check("outputs are completed", items[1] and items[1].label == "absolute")
  say("\ncompletion after `notes.` in line 11:")
  for _, item in ipairs(items) do
    say("  " .. item.label .. ": " .. (item.detail or ""))
  end

  local definition = ask("textDocument/definition", 5, 20)
  check("the kind leads into its interface", definition.uri:find("core.dts", 1, true))
  say("\ndefinition of `core.File`: " .. definition.uri:match("[^/]+$") .. " line " .. definition.range.start.line + 1)

  -- The line is finished and the mistake mended, as somebody types it.
  vim.api.nvim_buf_set_lines(0, 7, 8, false, { '  content = "# Notes\\n"' })
  vim.api.nvim_buf_set_lines(0, 10, 11, false, { "output size = notes.size" })
  wait("mended", function()
    return #vim.diagnostic.get(0) == 0
  end)
  say("\nafter the edits: no squiggles")

  vim.cmd("edit tree.dts")
  check("a device tree is left alone", vim.bo.filetype ~= "dtm" and #vim.lsp.buf_get_clients(0) == 0)
  say("tree.dts is left alone")

  vim.cmd("checkhealth dtm")
  local health = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
  check("the health check finds dtm", health:find("dtm %d+%.%d+%.%d+"))
  say("\n:checkhealth dtm finds the program")
end)
if ok then
  finish(0)
else
  say("ERROR: " .. tostring(why))
  finish(1)
end
