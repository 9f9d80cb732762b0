// Where a newline separates: not before what goes on with the line before. The rules are those of
// `lang/src/syntax/layout.rs`; that an operand or a closing bracket must come first, the grammar knows itself.
#include "tree_sitter/parser.h"

#include <string.h>

enum TokenType { NEWLINE };

void *tree_sitter_dts_external_scanner_create(void) { return NULL; }
void tree_sitter_dts_external_scanner_destroy(void *payload) { (void)payload; }
unsigned tree_sitter_dts_external_scanner_serialize(void *payload, char *buffer) {
  (void)payload, (void)buffer;
  return 0;
}
void tree_sitter_dts_external_scanner_deserialize(void *payload, const char *buffer, unsigned length) {
  (void)payload, (void)buffer, (void)length;
}

static void advance(TSLexer *lexer) { lexer->advance(lexer, false); }

static bool is_blank(int32_t c) { return c == ' ' || c == '\t' || c == '\r'; }

// Whether the text from here on begins with an operator that no line begins with otherwise.
static bool operator_goes_on(TSLexer *lexer) {
  int32_t first = lexer->lookahead;
  advance(lexer);
  int32_t second = lexer->lookahead;
  switch (first) {
    case '|': case '<': case '>': case '+': case '*': case '/': case '%':
      return true;
    case '&':
      return second == '&';
    case '=':
      return second == '=' || second == '>';
    case '!':
      return second == '=';
    case '-':
      return second == '>';
    case '?':
      return second == '?' || second == '.';
    case '.':
      if (second != '.') return true;
      advance(lexer);
      return lexer->lookahead != '.';
    default:
      return false;
  }
}

// Whether the word here belongs to the line before: `then`, and `with` when it names no field.
static bool word_goes_on(TSLexer *lexer) {
  static const char *const words[] = {"then", "else", "with", "where", "for", "if", "as"};
  char word[8];
  unsigned length = 0;
  while ((lexer->lookahead >= 'a' && lexer->lookahead <= 'z') && length < sizeof word) {
    word[length++] = (char)lexer->lookahead;
    advance(lexer);
  }
  bool ends = lexer->lookahead < 128 && lexer->lookahead != '_' &&
              !(lexer->lookahead >= '0' && lexer->lookahead <= '9') &&
              !(lexer->lookahead >= 'A' && lexer->lookahead <= 'Z') &&
              !(lexer->lookahead >= 'a' && lexer->lookahead <= 'z');
  if (!ends || length == sizeof word) return false;
  bool known = false;
  for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
    known = known || (strlen(words[i]) == length && !strncmp(words[i], word, length));
  if (!known) return false;
  while (is_blank(lexer->lookahead)) advance(lexer);
  if (lexer->lookahead == ':') return false;
  if (lexer->lookahead != '=') return true;
  advance(lexer);
  return lexer->lookahead == '=' || lexer->lookahead == '>';
}

bool tree_sitter_dts_external_scanner_scan(void *payload, TSLexer *lexer, const bool *valid_symbols) {
  (void)payload;
  if (!valid_symbols[NEWLINE]) return false;
  while (is_blank(lexer->lookahead)) lexer->advance(lexer, true);
  if (lexer->lookahead != '\n') return false;
  advance(lexer);
  lexer->mark_end(lexer);
  lexer->result_symbol = NEWLINE;
  for (;;) {
    while (is_blank(lexer->lookahead) || lexer->lookahead == '\n') advance(lexer);
    if (lexer->eof(lexer)) return true;
    if (lexer->lookahead != '/') break;
    advance(lexer);
    if (lexer->lookahead != '/') return false;
    while (!lexer->eof(lexer) && lexer->lookahead != '\n') advance(lexer);
  }
  int32_t c = lexer->lookahead;
  if (c >= 'a' && c <= 'z') return !word_goes_on(lexer);
  return !operator_goes_on(lexer);
}
