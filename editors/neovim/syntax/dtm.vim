" Highlighting of .dts files of dtm.
if exists("b:current_syntax")
  finish
endif

syn keyword dtmDeclaration dts settings plugins configure import param let type fn tool component existing output assert test moved forget adopt plugin kind in out from as
syn keyword dtmKeyword if then else match for where with by secret
syn keyword dtmConstant true false null
syn keyword dtmType string int float bool duration size any map
syn match dtmNumber "\<\d[0-9_]*\(\.\d\+\)\?\([eE][+-]\?\d\+\|[a-zA-Z]\+\)\?\>"
syn match dtmAnnotation "@\w\+"
syn match dtmComment "//.*$" contains=@Spell
syn match dtmEscape "\\\([ntr\"\\$]\|u{\x\+}\)" contained
syn region dtmInterpolation matchgroup=dtmDelimiter start="\${" end="}" contained contains=TOP
syn region dtmString start=+"+ skip=+\\.+ end=+"+ oneline contains=dtmEscape,dtmInterpolation
syn region dtmString start=+"""+ end=+"""+ contains=dtmEscape,dtmInterpolation
syn region dtmString start=+r"+ end=+"+ oneline
syn region dtmString start=+r"""+ end=+"""+

hi def link dtmDeclaration Statement
hi def link dtmKeyword Conditional
hi def link dtmConstant Constant
hi def link dtmType Type
hi def link dtmNumber Number
hi def link dtmAnnotation PreProc
hi def link dtmComment Comment
hi def link dtmEscape SpecialChar
hi def link dtmDelimiter Delimiter
hi def link dtmString String

let b:current_syntax = "dtm"
