//! Types as the checker knows them: structural, unions flat, `secret` pushed down to scalars and `any`.

mod change;
pub mod kind;
mod print;
mod relation;

pub use self::relation::{converts, fits};

use self::kind::Kind;
use crate::index::{DefaultId, RefinementId};
use crate::maps::{HashSet, IndexMap};
use crate::source::{Span, Symbol};
use std::sync::Arc;

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Untyped data.
    Any,
    /// `null`
    Null,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `float`
    Float,
    /// `string`
    String,
    /// `duration`
    Duration,
    /// `size`
    Size,
    /// One certain value.
    Lit(Lit),
    /// `[T]`
    List(Arc<Type>),
    /// `map<T>`
    Map(Arc<Type>),
    /// `{ ... }`
    Record(Arc<RecordType>),
    /// `A | B`; flat, without repetition, at least two members.
    Union(Arc<Members>),
    /// `secret T`, `T` a scalar or `any`.
    Secret(Arc<Type>),
    /// `T where cond`: only what a place expects. What is read of it is a plain `T`.
    Refined(Arc<Refined>),
    /// One instance of a tool.
    Tool(Arc<Kind>),
    /// A type variable of a builtin's signature.
    Var(u8),
    /// What has been reported already; fits everything.
    Error,
}

/// A type with a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Refined {
    /// The type.
    pub base: Type,
    /// The condition.
    pub id: RefinementId,
    /// The condition as it is written.
    pub text: Symbol,
}

/// A literal type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lit {
    /// `true`
    Bool(bool),
    /// `8080`
    Int(i64),
    /// `"dev"`
    String(Symbol),
}

/// A record type.
#[derive(Clone, Debug, Default)]
pub struct RecordType {
    /// Its fields, in order.
    pub fields: IndexMap<Symbol, FieldType>,
    /// `...`: extra fields may be passed on.
    pub open: bool,
    sum: Sum,
}

impl RecordType {
    /// A record type of these fields.
    pub fn new(fields: IndexMap<Symbol, FieldType>, open: bool) -> Self {
        let sum = fields.values().fold(Sum::default(), |sum, field| sum.with(&field.ty.sum()));
        let sum = Sum { defaults: sum.defaults || fields.values().any(|f| f.default.is_some()), ..sum };
        RecordType { fields, open, sum }
    }
    /// The same fields with other types.
    fn map(&self, change: impl Fn(&Type) -> Type) -> Type {
        let mut fields = self.fields.clone();
        fields.values_mut().for_each(|f| f.ty = change(&f.ty));
        Type::Record(Arc::new(RecordType::new(fields, self.open)))
    }
}

/// The members of a union. They read as a slice.
#[derive(Clone, Debug)]
pub struct Members {
    types: Vec<Type>,
    sum: Sum,
}

impl PartialEq for RecordType {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields && self.open == other.open
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        self.types == other.types
    }
}

impl std::ops::Deref for Members {
    type Target = [Type];
    fn deref(&self) -> &[Type] {
        &self.types
    }
}

/// Properties of a type with everything inside, known without traversing it: a type with shared parts may be far
/// larger than the program that declares it.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    size: u64,
    depth: usize,
    secret: bool,
    tool: bool,
    refined: bool,
    literal: bool,
    defaults: bool,
}

impl Sum {
    fn with(self, part: &Sum) -> Sum {
        Sum {
            size: self.size.saturating_add(part.size).saturating_add(1),
            depth: self.depth.max(part.depth + 1),
            secret: self.secret || part.secret,
            tool: self.tool || part.tool,
            refined: self.refined || part.refined,
            literal: self.literal || part.literal,
            defaults: self.defaults || part.defaults,
        }
    }
}

/// How large a type may be, shared parts counted as often as they occur, and how deep. Source text alone nests 500 deep.
const LARGEST: u64 = 100_000;
const DEEPEST: usize = 600;

/// How many members a union may have besides literals.
const MOST_MEMBERS: usize = 1_000;

/// A field of a record type.
#[derive(Clone, Debug)]
pub struct FieldType {
    /// Its type.
    pub ty: Type,
    /// Its default.
    pub default: Option<DefaultId>,
    /// Where it is declared, if in a file.
    pub span: Option<Span>,
    /// Its documentation.
    pub doc: Option<Symbol>,
}

/// Where it stands, and what is said of it, makes no other type.
impl PartialEq for FieldType {
    fn eq(&self, other: &Self) -> bool {
        self.ty == other.ty && self.default == other.default
    }
}

impl FieldType {
    /// A field without default, place and documentation.
    pub fn plain(ty: Type) -> Self {
        FieldType { ty, default: None, span: None, doc: None }
    }
    /// Whether a record may leave it out.
    pub fn may_be_absent(&self) -> bool {
        self.default.is_some() || self.ty.is_nullable() || matches!(self.ty, Type::Error)
    }
}

impl Type {
    /// `[T]`
    pub fn list(of: Type) -> Type {
        Type::List(Arc::new(of))
    }
    /// `map<T>`
    pub fn map(of: Type) -> Type {
        Type::Map(Arc::new(of))
    }
    /// A closed record.
    pub fn record(fields: IndexMap<Symbol, FieldType>) -> Type {
        Type::Record(Arc::new(RecordType::new(fields, false)))
    }
    /// `T?`
    pub fn optional(self) -> Type {
        Type::union([self, Type::Null])
    }
    /// The union, made flat; members that another one holds are left out.
    pub fn union(members: impl IntoIterator<Item = Type>) -> Type {
        let mut flat: Vec<Type> = vec![];
        // Literals may be many: they are told apart without going through all of them.
        let mut literals: HashSet<Lit> = HashSet::default();
        let mut too_many = false;
        let mut add = |new: Type| match &new {
            Type::Lit(lit) => {
                let held = |t: &Type| holds(t, &new) || matches!(t, Type::Error);
                // As long as there are only literals, none is held by another type.
                let only = flat.len() == literals.len();
                let wide = !only && flat.iter().filter(|t| !matches!(t, Type::Lit(_))).any(held);
                if !wide && literals.insert(lit.clone()) {
                    flat.push(new);
                }
            }
            _ if flat.len() - literals.len().min(flat.len()) > MOST_MEMBERS => too_many = true,
            Type::Any
            | Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Duration
            | Type::Size
            | Type::List(_)
            | Type::Map(_)
            | Type::Record(_)
            | Type::Union(_)
            | Type::Secret(_)
            | Type::Refined(_)
            | Type::Tool(_)
            | Type::Var(_)
            | Type::Error => add(&mut flat, new),
        };
        for member in members {
            match member {
                Type::Union(inner) => inner.iter().for_each(|t| add(t.clone())),
                other @ (Type::Any
                | Type::Null
                | Type::Bool
                | Type::Int
                | Type::Float
                | Type::String
                | Type::Duration
                | Type::Size
                | Type::Lit(_)
                | Type::List(_)
                | Type::Map(_)
                | Type::Record(_)
                | Type::Secret(_)
                | Type::Refined(_)
                | Type::Tool(_)
                | Type::Var(_)
                | Type::Error) => add(other),
            }
        }
        match flat.len() {
            0 => Type::Error,
            1 => flat.remove(0),
            _ => {
                let sum = flat.iter().fold(Sum::default(), |sum, member| sum.with(&member.sum()));
                let size = if too_many { u64::MAX } else { sum.size };
                Type::Union(Arc::new(Members { types: flat, sum: Sum { size, ..sum } }))
            }
        }
    }
    /// The members of a union, or the type alone.
    pub fn members(&self) -> &[Type] {
        match self {
            Type::Union(m) => m,
            Type::Refined(r) => r.base.members(),
            other @ (Type::Any
            | Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Duration
            | Type::Size
            | Type::Lit(_)
            | Type::List(_)
            | Type::Map(_)
            | Type::Record(_)
            | Type::Secret(_)
            | Type::Tool(_)
            | Type::Var(_)
            | Type::Error) => std::slice::from_ref(other),
        }
    }
    /// Whether `null` is one of its values.
    pub fn is_nullable(&self) -> bool {
        self.members().iter().any(|t| matches!(t, Type::Null))
    }
    /// Whether anything inside is secret.
    pub fn has_secret(&self) -> bool {
        self.sum().secret
    }
    /// Whether ints and floats meet in it: together they are floats.
    pub fn is_mixed_number(&self) -> bool {
        let number = |t: &Type| matches!(t, Type::Int | Type::Float | Type::Lit(Lit::Int(_)));
        let members = self.members();
        members.len() > 1 && members.iter().all(number) && members.contains(&Type::Float)
    }
    /// Whether a tool is anywhere inside: a tool is not data.
    pub fn has_tool(&self) -> bool {
        self.sum().tool
    }
    /// Whether a condition stands anywhere inside.
    pub fn has_refinement(&self) -> bool {
        self.sum().refined
    }
    /// Whether it is larger than any program needs: traversing such a type would not end.
    pub fn is_too_large(&self) -> bool {
        let sum = self.sum();
        sum.size > LARGEST || sum.depth > DEEPEST
    }
    fn sum(&self) -> Sum {
        let one = Sum { size: 1, ..Sum::default() };
        match self {
            Type::Any
            | Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Duration
            | Type::Size
            | Type::Var(_)
            | Type::Error => one,
            Type::Lit(_) => Sum { literal: true, ..one },
            Type::Tool(_) => Sum { tool: true, ..one },
            Type::List(t) | Type::Map(t) => one.with(&t.sum()),
            Type::Secret(t) => Sum { secret: true, ..t.sum() },
            Type::Refined(r) => Sum { refined: true, defaults: true, ..one.with(&r.base.sum()) },
            Type::Record(r) => r.sum,
            Type::Union(m) => m.sum,
        }
    }
    /// A scalar that a string can show.
    pub fn is_scalar(&self) -> bool {
        match self {
            Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Duration
            | Type::Size
            | Type::Lit(_) => true,
            Type::Secret(t) => t.is_scalar(),
            Type::Refined(r) => r.base.is_scalar(),
            Type::Union(m) => m.iter().all(Type::is_scalar),
            Type::Error => true,
            Type::Any
            | Type::Null
            | Type::List(_)
            | Type::Map(_)
            | Type::Record(_)
            | Type::Tool(_)
            | Type::Var(_) => false,
        }
    }
    /// Whether every value is a text (so that a command line gives it without quotes).
    pub fn is_text(&self) -> bool {
        match self {
            Type::String | Type::Lit(Lit::String(_)) => true,
            Type::Secret(t) => t.is_text(),
            Type::Refined(r) => r.base.is_text(),
            Type::Union(m) => m.iter().all(|t| t.is_text() || matches!(t, Type::Null)),
            Type::Any
            | Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::Duration
            | Type::Size
            | Type::Lit(_)
            | Type::List(_)
            | Type::Map(_)
            | Type::Record(_)
            | Type::Tool(_)
            | Type::Var(_)
            | Type::Error => false,
        }
    }
}

fn add(flat: &mut Vec<Type>, new: Type) {
    if flat.iter().any(|t| *t == new || matches!((t, &new), (Type::Error, _)) || holds(t, &new)) {
        return;
    }
    flat.retain(|t| !holds(&new, t));
    flat.push(new);
}

/// Whether the scalar `wide` holds the literal `narrow`.
fn holds(wide: &Type, narrow: &Type) -> bool {
    matches!(
        (wide, narrow),
        (Type::Bool, Type::Lit(Lit::Bool(_)))
            | (Type::Int, Type::Lit(Lit::Int(_)))
            | (Type::String, Type::Lit(Lit::String(_)))
    )
}
