vim.bo.commentstring = "// %s"
vim.bo.shiftwidth = 2
vim.bo.expandtab = true
vim.bo.omnifunc = "v:lua.vim.lsp.omnifunc"
require("dtm").attach(vim.api.nvim_get_current_buf())
