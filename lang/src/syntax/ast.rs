//! The syntax tree: what stands in a file, with places, comments kept beside it. It says nothing of meaning.

use crate::source::{Span, Symbol};

/// A comment. Documentation is a comment that begins with `///`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comment {
    /// Where, without the end of the line.
    pub span: Span,
    /// Whether nothing stands before it on its line.
    pub own_line: bool,
}

/// A name with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// The name.
    pub text: Symbol,
    /// Where.
    pub span: Span,
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module {
    /// What it declares, in order.
    pub decls: Vec<Decl>,
    /// All comments, in order.
    pub comments: Vec<Comment>,
}

/// A declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct Decl {
    /// The whole of it, annotations included.
    pub span: Span,
    /// The text of the `///` lines above it.
    pub doc: Option<Symbol>,
    /// `@name(...)` before it.
    pub annotations: Vec<Annotation>,
    /// What it declares.
    pub kind: DeclKind,
}

/// `@name` or `@name(args)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// The name after `@`.
    pub name: Name,
    /// What stands in its parentheses.
    pub args: Vec<Arg>,
    /// The whole.
    pub span: Span,
}

/// What a declaration declares.
#[derive(Clone, Debug, PartialEq)]
pub enum DeclKind {
    /// `dts 1`
    Edition(Span, Symbol),
    /// `settings { ... }`, also that of an interface file.
    Settings(Vec<Field>),
    /// `plugins { ... }`
    Plugins(Vec<Field>),
    /// `configure plugin [as name] { ... }`
    Configure {
        /// The plugin.
        plugin: Name,
        /// The name of this configuration.
        name: Option<Name>,
        /// The settings, a record.
        settings: Expr,
    },
    /// `import ...`
    Import(Import),
    /// `param name: T [= default]`
    Param {
        /// Its name.
        name: Name,
        /// Its type.
        ty: TypeExpr,
        /// Its default.
        default: Option<Expr>,
    },
    /// `let name [: T] = value`
    Let {
        /// Its name.
        name: Name,
        /// Its type.
        ty: Option<TypeExpr>,
        /// Its value.
        value: Expr,
    },
    /// `type Name = T`
    Type {
        /// Its name.
        name: Name,
        /// What it stands for.
        ty: TypeExpr,
    },
    /// `fn name(...) -> T = body`
    Fn {
        /// Its name.
        name: Name,
        /// Parameters: name, type, default.
        params: Vec<Field>,
        /// The type of the result.
        result: TypeExpr,
        /// The body.
        body: Expr,
    },
    /// `tool ...`
    Tool(Box<Tool>),
    /// `component Name { ... }`
    Component {
        /// Its name.
        name: Name,
        /// What it holds.
        body: Vec<Decl>,
    },
    /// `existing name: Kind { keys }`
    Existing {
        /// Its name.
        name: Name,
        /// Its kind.
        kind: Path,
        /// Its keys, a record.
        keys: Expr,
    },
    /// `output name [: T] = value`
    Output {
        /// Its name.
        name: Name,
        /// Its type.
        ty: Option<TypeExpr>,
        /// Its value.
        value: Expr,
    },
    /// `assert cond, "message"`
    Assert {
        /// The condition.
        cond: Expr,
        /// What to say when it does not hold.
        message: Expr,
    },
    /// `test "name" { ... }`
    Test {
        /// Its name, a string.
        name: Expr,
        /// `given`, `mock` and `assert`.
        body: Vec<Decl>,
    },
    /// `given { ... }` in a test.
    Given(Expr),
    /// `mock a.b = value` in a test.
    Mock(Expr, Expr),
    /// `moved a -> b`
    Moved(Address, Address),
    /// `forget a`
    Forget(Address),
    /// `adopt a = "id"`, or `adopt a` for what the key of the tool names
    Adopt(Address, Option<Expr>),
    /// `plugin name`, in an interface file.
    Plugin(Name),
    /// `kind Name { ... }`, in an interface file.
    Kind {
        /// Its name.
        name: Name,
        /// `in` and `out`.
        ports: Vec<Decl>,
    },
    /// `in name: T [= default]`
    In(Field),
    /// `out name: T [= value]`
    Out(Field),
    /// What could not be read; already reported. Its name is known all the same.
    Broken {
        /// Whether it would have been a type.
        is_type: bool,
        /// Its name, if that could be read.
        name: Option<Name>,
    },
}

/// `[name]: [T] [= value]`: a field of a record type, a setting, a port.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// `///` above it.
    pub doc: Option<Symbol>,
    /// `@name(...)` before it, in the settings of an interface.
    pub annotations: Vec<Annotation>,
    /// Its type.
    pub ty: Option<TypeExpr>,
    /// Its default or value.
    pub value: Option<Expr>,
    /// The whole.
    pub span: Span,
}

/// `import "path" ...`
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The path, without its quotes.
    pub path: Symbol,
    /// Where the path stands, quotes included.
    pub path_span: Span,
    /// `as name`
    pub name: Option<Name>,
    /// `: T`
    pub ty: Option<TypeExpr>,
    /// `{ A, B }`
    pub names: Option<Vec<Name>>,
}

/// `a` or `a.b`
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Its parts.
    pub parts: Vec<Name>,
    /// The whole.
    pub span: Span,
}

/// A tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: Name,
    /// `[x in xs by key]`
    pub each: Option<Each>,
    /// Its kind.
    pub kind: Path,
    /// `if cond`
    pub cond: Option<Expr>,
    /// Its inputs, a record.
    pub inputs: Expr,
    /// `with { ... }`
    pub with: Option<Expr>,
}

/// `[x in xs by key]` or `[k, v in m]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Each {
    /// One or two names.
    pub vars: Vec<Name>,
    /// What is gone through.
    pub iter: Expr,
    /// The key.
    pub by: Option<Expr>,
}

/// `cart`, `repo["cart"]`, `shop/repo`.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// As in plans: `repo["cart"]`.
    pub text: Symbol,
    /// Where.
    pub span: Span,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: Box<ExprKind>,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum ExprKind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Nanoseconds.
    Duration(i64),
    /// Bytes.
    Size(i64),
    Str(Vec<StrPart>),
    Name(Symbol),
    /// `a.b`, `a?.b`
    Member {
        base: Expr,
        name: Name,
        safe: bool,
    },
    /// `a["b"]`
    Index {
        base: Expr,
        index: Expr,
    },
    Call {
        callee: Expr,
        args: Vec<Arg>,
    },
    Lambda {
        params: Vec<Name>,
        body: Expr,
    },
    Record(Vec<Entry>),
    /// `NAME { ... }`, in settings only.
    Construct {
        name: Name,
        record: Expr,
    },
    List(Vec<Element>),
    /// `[e for x in xs if c]`
    ListComp {
        body: Expr,
        clause: Clause,
    },
    /// `{ [k] = v for x in xs if c }`
    MapComp {
        key: Expr,
        value: Expr,
        clause: Clause,
    },
    If {
        cond: Expr,
        then: Expr,
        other: Expr,
    },
    Match {
        subject: Expr,
        arms: Vec<(TypeExpr, Expr)>,
    },
    Unary(UnaryOp, Expr),
    Binary(BinaryOp, Expr, Expr),
    Cast(Expr, TypeExpr),
    Paren(Expr),
    /// Something that could not be read; already reported.
    Error,
}

/// `for x in xs if c`
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// One or two names.
    pub vars: Vec<Name>,
    /// What is gone through.
    pub iter: Expr,
    /// Which elements are taken.
    pub filter: Option<Expr>,
}

/// A piece of a string.
#[derive(Clone, Debug, PartialEq)]
pub enum StrPart {
    /// Text, escapes resolved.
    Text(Symbol),
    /// `${...}`
    Expr(Expr),
}

/// An argument, perhaps named.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// `name =`
    pub name: Option<Name>,
    /// Its value.
    pub value: Expr,
}

/// An entry of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// `name = value`, or `name` alone (then the value is that name).
    Field {
        /// Its name.
        name: Name,
        /// Its value; absent in the short form.
        value: Option<Expr>,
        /// Whether the name stands in quotes.
        quoted: bool,
    },
    /// `[key] = value`
    Computed(Expr, Expr),
    /// `...base`
    Spread(Expr),
    /// Already reported.
    Error(Span),
}

/// An element of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// One value.
    One(Expr),
    /// `...xs`
    Spread(Expr),
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum UnaryOp {
    Neg,
    Not,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Coalesce,
    Or,
    And,
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    In,
    Range,
    RangeEq,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

impl BinaryOp {
    /// As it is written.
    pub fn text(self) -> &'static str {
        use BinaryOp::*;
        match self {
            Coalesce => "??",
            Or => "||",
            And => "&&",
            Eq => "==",
            NotEq => "!=",
            Lt => "<",
            LtEq => "<=",
            Gt => ">",
            GtEq => ">=",
            In => "in",
            Range => "..",
            RangeEq => "..=",
            Add => "+",
            Sub => "-",
            Mul => "*",
            Div => "/",
            Rem => "%",
        }
    }
    /// Whether it compares.
    pub fn compares(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | NotEq | Lt | LtEq | Gt | GtEq | In)
    }
}

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: Box<TypeKind>,
}

/// What a type is.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum TypeKind {
    Path(Path),
    /// `"dev"`, `8080`, `true`, `null`
    Lit(Expr),
    Union(Vec<TypeExpr>),
    Optional(TypeExpr),
    List(TypeExpr),
    Map(TypeExpr),
    Record {
        fields: Vec<Field>,
        open: bool,
    },
    Secret(TypeExpr),
    Where {
        base: TypeExpr,
        cond: Expr,
        message: Option<Expr>,
    },
    Tool(Path),
    /// `(A, B) -> C`, `fn(A) -> B`: read, and refused.
    Function,
    Paren(TypeExpr),
    /// `_`, in patterns.
    Wildcard,
    /// Already reported.
    Error,
}
