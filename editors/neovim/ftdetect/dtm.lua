-- `.dts` is the ending of device trees as well: a file of dtm is known by its first line, `dts 1`. Empty new files are
-- taken for ours where a `main.dts` of ours is beside them.
local function is_ours(lines)
  for _, line in ipairs(lines) do
    local text = vim.trim(line)
    if text ~= "" and not vim.startswith(text, "//") then
      return text:match("^dts%s+%d+$") ~= nil
    end
  end
  return false
end

local group = vim.api.nvim_create_augroup("dtm_detect", { clear = true })
vim.api.nvim_create_autocmd({ "BufRead", "BufNewFile" }, {
  group = group,
  pattern = "*.dts",
  callback = function(args)
    local lines = vim.api.nvim_buf_get_lines(args.buf, 0, 50, false)
    local main = vim.fn.fnamemodify(args.file, ":p:h") .. "/main.dts"
    local empty = #lines == 1 and lines[1] == ""
    if is_ours(lines) or (empty and vim.fn.filereadable(main) == 1 and is_ours(vim.fn.readfile(main, "", 50))) then
      vim.bo[args.buf].filetype = "dtm"
    end
  end,
})
