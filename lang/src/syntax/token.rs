//! The kinds of tokens. A token is a kind and a span; its text stays in the source.

use crate::source::Span;
use logos::Logos;

/// A token with its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub span: Span,
}

/// What a token is. The variants up to `Blank` come from logos in the normal mode of the lexer, those after
/// it from the lexer's string mode and from layout.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    #[token("true")]
    True,
    #[token("false")]
    False,
    #[token("null")]
    Null,
    #[token("if")]
    If,
    #[token("then")]
    Then,
    #[token("else")]
    Else,
    #[token("match")]
    Match,
    #[token("for")]
    For,
    #[token("in")]
    In,
    #[token("as")]
    As,
    // Words that count only where their clause may begin.
    #[token("dts")]
    Dts,
    #[token("settings")]
    Settings,
    #[token("plugins")]
    Plugins,
    #[token("configure")]
    Configure,
    #[token("import")]
    Import,
    #[token("from")]
    From,
    #[token("param")]
    Param,
    #[token("let")]
    Let,
    #[token("type")]
    Type,
    #[token("fn")]
    Fn,
    #[token("tool")]
    Tool,
    #[token("by")]
    By,
    #[token("with")]
    With,
    #[token("component")]
    Component,
    #[token("existing")]
    Existing,
    #[token("output")]
    Output,
    #[token("assert")]
    Assert,
    #[token("test")]
    Test,
    #[token("given")]
    Given,
    #[token("mock")]
    Mock,
    #[token("moved")]
    Moved,
    #[token("forget")]
    Forget,
    #[token("adopt")]
    Adopt,
    #[token("plugin")]
    Plugin,
    #[token("kind")]
    KindWord,
    #[token("out")]
    Out,
    #[token("where")]
    Where,
    #[token("secret")]
    Secret,
    #[regex(r"[\p{XID_Start}_][\p{XID_Continue}]*", priority = 1)]
    Ident,
    /// An integer, float, duration or size; sorted out when parsed.
    #[regex(r"[0-9][0-9_]*(\.[0-9][0-9_]*)?([eE][+-][0-9]+|[\p{XID_Start}_][\p{XID_Continue}]*)?")]
    Number,
    #[token("(")]
    LParen,
    #[token(")")]
    RParen,
    #[token("[")]
    LBracket,
    #[token("]")]
    RBracket,
    #[token("{")]
    LBrace,
    #[token("}")]
    RBrace,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token("=")]
    Eq,
    #[token("==")]
    EqEq,
    #[token("!=")]
    NotEq,
    #[token("<")]
    Lt,
    #[token("<=")]
    LtEq,
    #[token(">")]
    Gt,
    #[token(">=")]
    GtEq,
    #[token("=>")]
    Arrow,
    #[token("->")]
    ThinArrow,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("!")]
    Bang,
    #[token("&&")]
    AndAnd,
    #[token("||")]
    OrOr,
    #[token("|")]
    Pipe,
    #[token("?")]
    Question,
    #[token("??")]
    Coalesce,
    #[token("?.")]
    SafeDot,
    #[token(".")]
    Dot,
    #[token("..")]
    DotDot,
    #[token("..=")]
    DotDotEq,
    #[token("...")]
    Ellipsis,
    #[token("@")]
    At,
    /// A `//` comment; `///` is documentation.
    #[regex(r"//[^\n]*", allow_greedy = true)]
    Comment,
    /// A `#` comment, a habit from YAML: understood and reported.
    #[regex(r"#[^\n]*", allow_greedy = true)]
    HashComment,
    #[token("\n")]
    #[token("\r\n")]
    Newline,
    #[regex(r"[ \t]+")]
    Blank,
    // From here on made by the lexer itself.
    /// The opening quote of a string: `"`, `"""`, `r"` or `r"""`.
    StrStart,
    /// A piece of text in a string, escapes included.
    StrText,
    /// `${`
    InterpStart,
    /// The `}` that ends an interpolation.
    InterpEnd,
    /// The closing quote.
    StrEnd,
    /// Text that is not a token; already reported.
    Error,
}

impl Kind {
    /// What to call it in a message.
    pub fn describe(self) -> &'static str {
        use Kind::*;
        match self {
            True => "`true`",
            False => "`false`",
            Null => "`null`",
            If => "`if`",
            Then => "`then`",
            Else => "`else`",
            Match => "`match`",
            For => "`for`",
            In => "`in`",
            As => "`as`",
            Dts => "`dts`",
            Settings => "`settings`",
            Plugins => "`plugins`",
            Configure => "`configure`",
            Import => "`import`",
            From => "`from`",
            Param => "`param`",
            Let => "`let`",
            Type => "`type`",
            Fn => "`fn`",
            Tool => "`tool`",
            By => "`by`",
            With => "`with`",
            Component => "`component`",
            Existing => "`existing`",
            Output => "`output`",
            Assert => "`assert`",
            Test => "`test`",
            Given => "`given`",
            Mock => "`mock`",
            Moved => "`moved`",
            Forget => "`forget`",
            Adopt => "`adopt`",
            Plugin => "`plugin`",
            KindWord => "`kind`",
            Out => "`out`",
            Where => "`where`",
            Secret => "`secret`",
            Ident => "a name",
            Number => "a number",
            LParen => "`(`",
            RParen => "`)`",
            LBracket => "`[`",
            RBracket => "`]`",
            LBrace => "`{`",
            RBrace => "`}`",
            Comma => "`,`",
            Colon => "`:`",
            Eq => "`=`",
            EqEq => "`==`",
            NotEq => "`!=`",
            Lt => "`<`",
            LtEq => "`<=`",
            Gt => "`>`",
            GtEq => "`>=`",
            Arrow => "`=>`",
            ThinArrow => "`->`",
            Plus => "`+`",
            Minus => "`-`",
            Star => "`*`",
            Slash => "`/`",
            Percent => "`%`",
            Bang => "`!`",
            AndAnd => "`&&`",
            OrOr => "`||`",
            Pipe => "`|`",
            Question => "`?`",
            Coalesce => "`??`",
            SafeDot => "`?.`",
            Dot => "`.`",
            DotDot => "`..`",
            DotDotEq => "`..=`",
            Ellipsis => "`...`",
            At => "`@`",
            Comment | HashComment => "a comment",
            Newline => "the end of the line",
            Blank => "a blank",
            StrStart => "a string",
            StrText => "text",
            InterpStart => "`${`",
            InterpEnd => "`}`",
            StrEnd => "the end of the string",
            Error => "text that is not a token",
        }
    }

    /// The kinds that a message lists when they were expected: marks and the words that join clauses.
    pub const ALL_PUNCTUATION: &'static [Kind] = &[
        Kind::LBrace,
        Kind::LParen,
        Kind::LBracket,
        Kind::Colon,
        Kind::Eq,
        Kind::Comma,
        Kind::RParen,
        Kind::RBracket,
        Kind::RBrace,
        Kind::InterpEnd,
        Kind::Then,
        Kind::Else,
        Kind::In,
        Kind::From,
        Kind::ThinArrow,
        Kind::Arrow,
        Kind::Lt,
        Kind::Gt,
        Kind::Newline,
    ];

    /// Whether it is one of the reserved words, which are never plain names.
    pub fn is_reserved(self) -> bool {
        (self as u8) <= (Kind::As as u8)
    }

    /// Whether it reads as a word: a name, a reserved word or a keyword of a clause.
    pub fn is_word(self) -> bool {
        (self as u8) <= (Kind::Ident as u8)
    }

    /// Whether it may begin a declaration.
    pub fn begins_declaration(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Dts | Settings
                | Plugins
                | Configure
                | Import
                | Param
                | Let
                | Type
                | Fn
                | Tool
                | Component
                | Existing
                | Output
                | Assert
                | Test
                | Moved
                | Forget
                | Adopt
                | Plugin
                | KindWord
                | At
        )
    }

    /// Whether an expression or type may end with it, so that a newline after it counts.
    pub fn ends_operand(self) -> bool {
        use Kind::*;
        self.is_word() && !matches!(self, If | Then | Else | Match | For | In | As)
            || matches!(self, Number | RParen | RBracket | RBrace | StrEnd | Question | Gt | Ellipsis | Error)
    }

    /// Whether the line that begins with it goes on with what stands before.
    pub fn continues_line(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Dot | SafeDot
                | Pipe
                | EqEq
                | NotEq
                | Lt
                | LtEq
                | Gt
                | GtEq
                | Plus
                | Star
                | Slash
                | Percent
                | AndAnd
                | OrOr
                | Coalesce
                | DotDot
                | DotDotEq
                | Arrow
                | ThinArrow
        )
    }

    /// Words that continue a line when no `=` or `:` follows.
    pub fn is_clause_word(self) -> bool {
        use Kind::*;
        matches!(self, Then | Else | With | Where | For | If | As)
    }
}
