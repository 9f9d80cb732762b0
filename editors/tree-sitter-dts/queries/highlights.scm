; Highlights of .dts. Later patterns win where editors say so; here each node has one.

(comment) @comment
(doc_comment) @comment.documentation

(string) @string
(escape_sequence) @string.escape
(interpolation "${" @punctuation.special "}" @punctuation.special)
(number) @number
(boolean) @boolean
(null) @constant.builtin

(edition_declaration "dts" @keyword.directive)
[
  "settings" "plugins" "configure" "param" "let" "type" "fn" "tool" "component" "existing" "output" "assert" "test"
  "given" "mock" "moved" "forget" "adopt" "plugin" "kind" "in" "out" "with" "by" "where" "secret"
] @keyword
["import" "from" "as"] @keyword.import
["if" "then" "else" "match"] @keyword.conditional
(for_clause ["for" "in"] @keyword.repeat)
(cast_expression "as" @keyword.operator)

(annotation "@" @attribute name: (identifier) @attribute)

(tool_declaration name: (identifier) @variable)
(existing_declaration name: (identifier) @variable)
(let_declaration name: (identifier) @variable)
(param_declaration name: (identifier) @variable.parameter)
(output_declaration name: (identifier) @variable)
(fn_declaration name: (identifier) @function)
(component_declaration name: (identifier) @type)
(kind_declaration name: (identifier) @type)
(plugin_declaration name: (identifier) @module)
(type_declaration name: (identifier) @type)
(in_declaration name: (identifier) @property)
(out_declaration name: (identifier) @property)
(path) @type
(type_name) @type
"map" @type.builtin

(field_declaration name: (identifier) @property)
(setting name: (identifier) @property)
(entry name: (identifier) @property)
(short_entry name: (identifier) @property)
(named_argument name: (identifier) @variable.parameter)
(member_expression member: (identifier) @property)
(call_expression function: (name) @function.call)
(lambda (identifier) @variable.parameter)
(for_clause variable: (identifier) @variable)
(each variable: (identifier) @variable)
(name) @variable

["=" "=>" "->" "??" "||" "&&" "==" "!=" "<" "<=" ">" ">=" ".." "..=" "+" "-" "*" "/" "%" "!" "|" "?" "..."] @operator
["." "?." "," ":"] @punctuation.delimiter
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
