/**
 * The grammar of `.dts` for editors: highlighting, folding, selecting. The language is defined by dtm's own parser
 * (`lang/src/syntax`); a test holds the two together: `tests/tests/tree_sitter.rs`.
 *
 * A newline separates declarations and what stands in braces, but not where the next line goes on with what stands
 * before. That is decided in `src/scanner.c`, which is asked only where a separator may stand.
 */

/// <reference types="tree-sitter-cli/dsl" />
// @ts-check

const PREC = {
  coalesce: 2,
  or: 3,
  and: 4,
  compare: 5,
  range: 6,
  add: 7,
  multiply: 8,
  unary: 9,
  cast: 10,
  post: 11,
};

/** Words that are never a plain name; after a dot, and before `=` and `:`, they are one like others. */
const RESERVED = ["true", "false", "null", "if", "then", "else", "match", "for", "in", "as"];

/** Words that begin a declaration in braces, and may name a field there all the same. */
const CLAUSES = [
  "dts",
  "settings",
  "plugins",
  "configure",
  "import",
  "from",
  "param",
  "let",
  "type",
  "fn",
  "tool",
  "by",
  "with",
  "component",
  "existing",
  "output",
  "assert",
  "test",
  "given",
  "mock",
  "moved",
  "forget",
  "adopt",
  "plugin",
  "kind",
  "out",
  "where",
  "secret",
];

const commaSep = (rule) => optional(commaSep1(rule));
const commaSep1 = (rule) => seq(rule, repeat(seq(",", rule)), optional(","));

/** Items with newlines or commas between, before and after them. */
const separated = ($, rule) =>
  seq(optional($._separators), optional(seq(rule, repeat(seq($._separators, rule)), optional($._separators))));

module.exports = grammar({
  name: "dts",

  externals: ($) => [$._newline],

  extras: ($) => [/[ \t\r\n\uFEFF]/, $.comment, $.doc_comment],

  word: ($) => $.identifier,

  supertypes: ($) => [$.declaration, $.expression, $.type],

  conflicts: ($) => [[$._name_expression, $._parameter]],

  rules: {
    source_file: ($) =>
      seq(
        repeat($._newline),
        optional(seq($.declaration, repeat(seq(repeat1($._newline), $.declaration)), repeat($._newline))),
      ),

    comment: () => token(prec(-1, seq("//", /[^\n]*/))),
    doc_comment: () => token(seq("///", /[^\n]*/)),

    _separators: ($) => repeat1(choice($._newline, ",")),

    // Declarations

    declaration: ($) =>
      choice(
        $.edition_declaration,
        $.settings_declaration,
        $.plugins_declaration,
        $.configure_declaration,
        $.import_declaration,
        $.param_declaration,
        $.let_declaration,
        $.type_declaration,
        $.fn_declaration,
        $.tool_declaration,
        $.component_declaration,
        $.existing_declaration,
        $.output_declaration,
        $.assert_declaration,
        $.test_declaration,
        $.given_declaration,
        $.mock_declaration,
        $.moved_declaration,
        $.forget_declaration,
        $.adopt_declaration,
        $.plugin_declaration,
        $.kind_declaration,
        $.in_declaration,
        $.out_declaration,
      ),

    edition_declaration: ($) => seq(optional($._notes), "dts", field("edition", $.number)),
    settings_declaration: ($) => seq(optional($._notes), "settings", $.settings_body),
    plugins_declaration: ($) => seq(optional($._notes), "plugins", $.settings_body),
    configure_declaration: ($) =>
      seq(
        optional($._notes),
        "configure",
        field("plugin", $._name),
        optional(seq("as", field("name", $._name))),
        field("settings", $.record),
      ),
    import_declaration: ($) =>
      seq(
        optional($._notes),
        "import",
        optional(seq(field("names", $.import_names), "from")),
        field("path", $.string),
        optional(seq("as", field("name", $._name))),
        optional(seq(":", field("type", $._type))),
      ),
    import_names: ($) => seq("{", separated($, $._name), "}"),
    param_declaration: ($) =>
      seq(optional($._notes), "param", field("name", $._name), ":", field("type", $._type), optional($._value)),
    let_declaration: ($) =>
      seq(optional($._notes), "let", field("name", $._name), optional(seq(":", field("type", $._type))), $._value),
    type_declaration: ($) => seq(optional($._notes), "type", field("name", $._name), "=", field("type", $._type)),
    fn_declaration: ($) =>
      seq(
        optional($._notes),
        "fn",
        field("name", $._name),
        field("parameters", $.parameters),
        "->",
        field("result", $._type),
        $._value,
      ),
    parameters: ($) => seq("(", commaSep($.field_declaration), ")"),
    tool_declaration: ($) =>
      seq(
        optional($._notes),
        "tool",
        field("name", $._name),
        optional(field("each", $.each)),
        ":",
        field("kind", $.path),
        optional(seq("if", field("condition", $._expression))),
        field("inputs", $.record),
        optional(seq("with", field("options", $.record))),
      ),
    each: ($) =>
      seq(
        "[",
        $._variables,
        "in",
        field("iterable", $._expression),
        optional(seq("by", field("key", $._expression))),
        "]",
      ),
    component_declaration: ($) => seq(optional($._notes), "component", field("name", $._name), $.body),
    existing_declaration: ($) =>
      seq(optional($._notes), "existing", field("name", $._name), ":", field("kind", $.path), field("keys", $.record)),
    output_declaration: ($) =>
      seq(optional($._notes), "output", field("name", $._name), optional(seq(":", field("type", $._type))), $._value),
    assert_declaration: ($) =>
      prec.right(
        seq(
          optional($._notes),
          "assert",
          field("condition", $._expression),
          optional(seq(",", field("message", $._expression))),
        ),
      ),
    test_declaration: ($) => seq(optional($._notes), "test", field("name", $.string), $.body),
    given_declaration: ($) => seq(optional($._notes), "given", $._expression),
    mock_declaration: ($) => seq(optional($._notes), "mock", field("target", $._expression), $._value),
    moved_declaration: ($) => seq(optional($._notes), "moved", field("from", $.address), "->", field("to", $.address)),
    forget_declaration: ($) => seq(optional($._notes), "forget", $.address),
    adopt_declaration: ($) => seq(optional($._notes), "adopt", $.address, optional($._value)),
    plugin_declaration: ($) => seq(optional($._notes), "plugin", field("name", $._name)),
    kind_declaration: ($) => seq(optional($._notes), "kind", field("name", $._name), $.body),
    in_declaration: ($) => seq(optional($._notes), "in", $._port),
    out_declaration: ($) => seq(optional($._notes), "out", repeat($.annotation), $._port),

    _port: ($) => seq(field("name", $._any_name), optional(seq(":", field("type", $._type))), optional($._value)),
    _value: ($) => seq("=", field("value", $._expression)),
    body: ($) => seq("{", separated($, $.declaration), "}"),

    _notes: ($) => repeat1(seq($.annotation, repeat($._newline))),
    annotation: ($) => seq("@", field("name", $._name), optional($.arguments)),

    settings_body: ($) => seq("{", separated($, choice($.setting, $.field_declaration)), "}"),
    setting: ($) =>
      seq(optional($._notes), field("name", $._any_name), "=", field("value", choice($.construction, $._expression))),
    construction: ($) => seq(field("name", $._name), $.record),
    field_declaration: ($) =>
      seq(optional($._notes), field("name", $._any_name), ":", field("type", $._type), optional($._value)),

    path: ($) => seq($._name, repeat(seq(".", $._name))),
    address: ($) => seq($._address_part, repeat(seq("/", $._address_part))),
    _address_part: ($) => seq($._name, optional(seq("[", $.string, "]"))),

    // Types: `?` binds tighter than `secret`, `secret` tighter than `|`, and `where` takes the whole union.

    type: ($) =>
      choice(
        $.type_name,
        $.literal_type,
        $.list_type,
        $.map_type,
        $.tool_type,
        $.record_type,
        $.parenthesized_type,
        $.function_type,
        $.optional_type,
        $.secret_type,
        $.union_type,
        $.refined_type,
      ),

    _type: ($) => choice($._union, $.refined_type),
    _union: ($) => choice($._one_type, $.union_type),
    _one_type: ($) => choice($._type_atom, $.optional_type, $.secret_type),
    _type_atom: ($) =>
      choice(
        $.type_name,
        $.literal_type,
        $.list_type,
        $.map_type,
        $.tool_type,
        $.record_type,
        $.parenthesized_type,
        $.function_type,
      ),

    type_name: ($) => prec.right(seq($._type_word, repeat(seq(".", $._name)))),
    literal_type: ($) => choice($.string, $.number, seq("-", $.number), $.boolean, $.null),
    list_type: ($) => seq("[", $._type, "]"),
    map_type: ($) => prec(1, seq("map", "<", $._type, ">")),
    tool_type: ($) => prec(1, seq("tool", "<", $.path, ">")),
    record_type: ($) => seq("{", separated($, choice($.field_declaration, $.open)), "}"),
    open: () => "...",
    parenthesized_type: ($) => seq("(", $._type, ")"),
    // No part of the language: read, so that it can be refused as what it is.
    function_type: ($) =>
      prec.right(
        choice(
          seq("fn", "(", commaSep($._type), ")", optional(seq("->", $._one_type))),
          seq("(", commaSep($._type), ")", "->", $._one_type),
        ),
      ),
    optional_type: ($) => prec.right(1, seq($._type_atom, repeat1("?"))),
    secret_type: ($) => seq("secret", $._one_type),
    union_type: ($) =>
      choice(seq("|", $._one_type, repeat(seq("|", $._one_type))), seq($._one_type, repeat1(seq("|", $._one_type)))),
    refined_type: ($) =>
      prec.right(
        seq(
          $._union,
          "where",
          field("condition", $._expression),
          optional(seq("else", field("message", $._expression))),
        ),
      ),

    // Expressions

    expression: ($) =>
      choice(
        $.name,
        $.number,
        $.string,
        $.boolean,
        $.null,
        $.parenthesized_expression,
        $.list,
        $.record,
        $.if_expression,
        $.match_expression,
        $.unary_expression,
        $.binary_expression,
        $.cast_expression,
        $.member_expression,
        $.index_expression,
        $.call_expression,
      ),
    _expression: ($) => $.expression,
    name: ($) => $._name_expression,
    _name_expression: ($) => $._name,

    boolean: () => choice("true", "false"),
    null: () => "null",
    parenthesized_expression: ($) => seq("(", $._expression, ")"),
    list: ($) => seq("[", commaSep($._element), optional($.for_clause), "]"),
    _element: ($) => choice($._expression, $.spread),
    spread: ($) => seq("...", $._expression),
    for_clause: ($) =>
      seq(
        "for",
        $._variables,
        "in",
        field("iterable", $._expression),
        optional(seq("if", field("filter", $._expression))),
      ),
    _variables: ($) => seq(field("variable", $._name), optional(seq(",", field("variable", $._name)))),

    record: ($) => seq("{", separated($, $._entry), optional(seq($.for_clause, repeat($._newline))), "}"),
    _entry: ($) => choice($.entry, $.computed_entry, $.short_entry, $.spread),
    entry: ($) => seq(field("name", choice($._any_name, $.string)), "=", field("value", $._expression)),
    computed_entry: ($) => seq("[", field("name", $._expression), "]", "=", field("value", $._expression)),
    short_entry: ($) => field("name", $._name),
    if_expression: ($) =>
      prec.right(
        seq(
          "if",
          field("condition", $._expression),
          "then",
          field("then", $._expression),
          "else",
          field("else", $._expression),
        ),
      ),
    match_expression: ($) => seq("match", field("subject", $._expression), "{", separated($, $.match_arm), "}"),
    match_arm: ($) => seq(field("pattern", $._type), "=>", field("value", $._expression)),

    unary_expression: ($) => prec(PREC.unary, seq(field("operator", choice("-", "!")), $._expression)),
    binary_expression: ($) =>
      choice(
        ...[
          [PREC.coalesce, ["??"]],
          [PREC.or, ["||"]],
          [PREC.and, ["&&"]],
          [PREC.compare, ["==", "!=", "<", "<=", ">", ">=", "in"]],
          [PREC.range, ["..", "..="]],
          [PREC.add, ["+", "-"]],
          [PREC.multiply, ["*", "/", "%"]],
        ].map(([precedence, operators]) =>
          prec.left(
            precedence,
            seq(
              field("left", $._expression),
              field("operator", operators.length > 1 ? choice(...operators) : operators[0]),
              field("right", $._expression),
            ),
          ),
        ),
      ),
    cast_expression: ($) => prec(PREC.cast, seq($._expression, "as", field("type", $._one_type))),
    member_expression: ($) =>
      prec(PREC.post, seq(field("object", $._expression), choice(".", "?."), field("member", $._member_name))),
    index_expression: ($) =>
      prec(PREC.post, seq(field("object", $._expression), "[", field("index", $._expression), "]")),
    call_expression: ($) => prec(PREC.post, seq(field("function", $._expression), $.arguments)),
    arguments: ($) => seq("(", commaSep($._argument), ")"),
    _argument: ($) => choice($.named_argument, $.lambda, $._expression),
    named_argument: ($) => seq(field("name", $._any_name), "=", field("value", $._expression)),
    lambda: ($) => seq(choice($._parameter, $.lambda_parameters), "=>", field("body", $._expression)),
    lambda_parameters: ($) => seq("(", commaSep($._parameter), ")"),
    _parameter: ($) => $._name,

    // Names

    identifier: () => /[\p{XID_Start}_][\p{XID_Continue}]*/,
    _name: ($) => choice($.identifier, alias("map", $.identifier), ...CLAUSES.map((word) => alias(word, $.identifier))),
    // Where a type may stand, these words begin one.
    _type_word: ($) =>
      choice(
        $.identifier,
        alias("map", $.identifier),
        ...CLAUSES.filter((word) => !["secret", "where", "fn"].includes(word)).map((word) => alias(word, $.identifier)),
      ),
    _any_name: ($) => choice($._name, ...RESERVED.map((word) => alias(word, $.identifier))),
    _member_name: ($) => $._any_name,

    number: () => /[0-9][0-9_]*(\.[0-9][0-9_]*)?([eE][+-][0-9]+|[\p{XID_Start}_][\p{XID_Continue}]*)?/,

    // Strings

    string: ($) => choice($._plain_string, $._block_string, $._raw_string, $._raw_block_string),
    _plain_string: ($) =>
      seq(
        '"',
        repeat(choice(alias($._text, $.string_content), $.escape_sequence, $.interpolation)),
        token.immediate('"'),
      ),
    _block_string: ($) =>
      seq(
        '"""',
        repeat(choice(alias($._block_text, $.string_content), $.escape_sequence, $.interpolation)),
        token.immediate(prec(2, '"""')),
      ),
    _raw_string: ($) => seq('r"', optional(alias($._raw_text, $.string_content)), token.immediate('"')),
    _raw_block_string: ($) =>
      seq('r"""', repeat(alias($._raw_block_text, $.string_content)), token.immediate(prec(2, '"""'))),
    _text: () => token.immediate(prec(1, /[^"\\$\n]+|\$/)),
    _block_text: () => token.immediate(prec(1, /[^"\\$]+|\$|"/)),
    _raw_text: () => token.immediate(prec(1, /[^"\n]+/)),
    _raw_block_text: () => token.immediate(prec(1, /[^"]+|"/)),
    escape_sequence: () => token.immediate(prec(1, /\\([ntr"\\$]|u\{[0-9A-Fa-f]{1,6}\}|\r?\n)/)),
    interpolation: ($) => seq(token.immediate(prec(2, "${")), $._expression, "}"),
  },
});
