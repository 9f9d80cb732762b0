//! Files of secrets that `sops` encrypted. Their structure, keys and the types of their values are in clear; the
//! [`Loader`], which has the keys, decrypts the values. Every value of such a file is secret, including those that `sops`
//! leaves in clear. Without a key, values are unset, so that a program can be checked.

use super::{Node, NodeKind, Origin, Sealing};
use crate::diag::{Code, Diagnostic};
use crate::loader::Loader;
use crate::maps::IndexMap;
use crate::sealed::{Covered, Leaf, Plain, Recipient, Sealed, Unopened};
use crate::source::{Span, Symbol};
use crate::types::{FieldType, Lit, RecordType, Type};
use crate::value::{Data, Unknown, Value};
use std::sync::Arc;

/// What an encrypted value is, which its text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    Float,
    Bool,
}

impl Kind {
    fn of(text: &str) -> Option<Kind> {
        let inside = text.strip_prefix("ENC[AES256_GCM,")?.strip_suffix(']')?;
        match inside.rsplit_once(",type:")?.1 {
            "str" | "bytes" => Some(Kind::Text),
            "int" => Some(Kind::Int),
            "float" => Some(Kind::Float),
            "bool" => Some(Kind::Bool),
            _ => None,
        }
    }
    fn ty(self) -> Type {
        match self {
            Kind::Text => Type::String,
            Kind::Int => Type::Int,
            Kind::Float => Type::Float,
            Kind::Bool => Type::Bool,
        }
    }
    /// Whether a value of this kind may be of a type.
    pub(crate) fn may_be(self, ty: &Type) -> bool {
        match ty {
            Type::Any | Type::Var(_) | Type::Error => true,
            Type::Refined(r) => self.may_be(&r.base),
            Type::Secret(t) => self.may_be(t),
            Type::Union(members) => members.iter().any(|t| self.may_be(t)),
            Type::String | Type::Duration | Type::Size | Type::Lit(Lit::String(_)) => self == Kind::Text,
            // A float without a fraction is written as a whole number.
            Type::Int | Type::Float | Type::Lit(Lit::Int(_)) => matches!(self, Kind::Int | Kind::Float),
            Type::Bool | Type::Lit(Lit::Bool(_)) => self == Kind::Bool,
            Type::Null | Type::List(_) | Type::Map(_) | Type::Record(_) | Type::Tool(_) => false,
        }
    }
}

/// Whether a file is encrypted by sops.
pub(crate) fn is_sealed(node: &Node) -> bool {
    node.entry("sops").is_some_and(|sops| sops.entry("mac").is_some() && sops.entry("lastmodified").is_some())
}

/// Whether the name of a file says that it is encrypted.
pub(crate) fn is_named_so(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    [".sops.yaml", ".sops.yml", ".sops.json"]
        .iter()
        .any(|ending| name.len() > ending.len() && name.ends_with(ending))
}

/// The values of an encrypted file, and what is to be said when they are needed and unset.
///
/// # Errors
/// When no key could open it.
pub(crate) fn open(
    mut node: Node,
    path: &str,
    loader: &dyn Loader,
) -> Result<(Node, Sealing), Box<Diagnostic>> {
    let NodeKind::Map(entries) = &mut node.kind else { return Ok((node, Sealing::None)) };
    let Some(at) = entries.iter().position(|(name, ..)| &**name == "sops") else {
        return Ok((node, Sealing::None));
    };
    let (_, place, metadata) = entries.remove(at);
    let cannot =
        |why: &str| Diagnostic::new(Code::E0419, format!("cannot open `{path}`: {why}")).at(place, "here");
    without_comments(&mut node);
    let sealed = sealed(&node, &metadata).map_err(|why| Box::new(cannot(&why)))?;
    match loader.open_sealed(&sealed) {
        Ok(values) => {
            let mut values = values.into_iter();
            fill(&mut node, &mut |_| values.next().map(value));
            Ok((node, Sealing::Opened))
        }
        Err(Unopened::Refused(why)) => Err(Box::new(cannot(&why))),
        Err(Unopened::NoKey(found)) => {
            let unset = || Value { secret: true, ..Value::plain(Data::Unknown(Unknown::Unset)) };
            fill(&mut node, &mut |_| Some(unset()));
            let why = match &*found {
                [] => "there is no age key".to_string(),
                found => format!("no age key in {} fits", found.join(", ")),
            };
            let names: Vec<String> = sealed.recipients.iter().map(|r| format!("`{}`", r.name)).collect();
            let d = cannot(&why).note(format!("it is encrypted for {}", names.join(", ")));
            let help = "set `SOPS_AGE_KEY` to the key or `SOPS_AGE_KEY_FILE` to its file, or write it to `~/.config/sops/age/keys.txt`";
            Ok((node, Sealing::Unset(Box::new(d.help(help)))))
        }
    }
}

/// Takes out the comments of lists, which stand among their elements, encrypted as they are.
fn without_comments(node: &mut Node) {
    let is_comment = |n: &Node| match &n.kind {
        NodeKind::Scalar(v) => {
            v.as_str().is_some_and(|t| t.starts_with("ENC[") && t.ends_with(",type:comment]"))
        }
        NodeKind::Seq(_) | NodeKind::Map(_) => false,
    };
    match &mut node.kind {
        NodeKind::Seq(items) => {
            items.retain(|n| !is_comment(n));
            items.iter_mut().for_each(without_comments);
        }
        NodeKind::Map(entries) => entries.iter_mut().for_each(|(.., n)| without_comments(n)),
        NodeKind::Scalar(_) => {}
    }
}

fn value(plain: Plain) -> Value {
    Value::plain(match plain {
        Plain::Text(text) => Data::String(text.into()),
        Plain::Int(i) => Data::Int(i),
        Plain::Float(f) => Data::Float(f),
        Plain::Bool(b) => Data::Bool(b),
    })
}

fn text_of<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    match &node.entry(name)?.kind {
        NodeKind::Scalar(v) => v.as_str().map(|t| &**t),
        NodeKind::Seq(_) | NodeKind::Map(_) => None,
    }
}

fn sealed(node: &Node, metadata: &Node) -> Result<Sealed, String> {
    let list = |name: &str| match metadata.entry(name).map(|n| &n.kind) {
        Some(NodeKind::Seq(items)) => items.clone(),
        _ => vec![],
    };
    if !list("key_groups").is_empty() {
        return Err("it needs keys of several groups, which dtm does not support".into());
    }
    let recipient = |n: &Node| {
        Some(Recipient { name: text_of(n, "recipient")?.to_string(), key: text_of(n, "enc")?.to_string() })
    };
    let recipients: Vec<Recipient> = list("age").iter().filter_map(recipient).collect();
    if recipients.is_empty() {
        let others = [("kms", "AWS KMS"), ("gcp_kms", "Google Cloud KMS"), ("azure_kv", "Azure Key Vault")];
        let others = others.into_iter().chain([("hc_vault", "Vault"), ("pgp", "PGP")]);
        let named: Vec<&str> =
            others.filter(|(key, _)| !list(key).is_empty()).map(|(_, name)| name).collect();
        let named = if named.is_empty() { "no key".to_string() } else { named.join(" and ") };
        return Err(format!(
            "it is encrypted for {named}; dtm decrypts only files that are encrypted for an age key"
        ));
    }
    let mut leaves = vec![];
    collect(node, &mut vec![], &mut leaves)?;
    let only = metadata.entry("mac_only_encrypted").map(|n| &n.kind);
    let only = matches!(only, Some(NodeKind::Scalar(v)) if matches!(v.data, Data::Bool(true)));
    Ok(Sealed {
        recipients,
        last_modified: text_of(metadata, "lastmodified").ok_or("its `lastmodified` is not text")?.into(),
        mac: text_of(metadata, "mac").ok_or("its `mac` is not text")?.into(),
        covered: if only { Covered::Encrypted } else { Covered::All },
        leaves,
    })
}

/// The values in the order of the file; lists add nothing to a path.
fn collect(node: &Node, path: &mut Vec<Symbol>, leaves: &mut Vec<Leaf>) -> Result<(), String> {
    match &node.kind {
        NodeKind::Seq(items) => items.iter().try_for_each(|n| collect(n, path, leaves)),
        NodeKind::Map(entries) => entries.iter().try_for_each(|(name, _, n)| {
            path.push(name.clone());
            let collected = collect(n, path, leaves);
            path.pop();
            collected
        }),
        NodeKind::Scalar(v) => {
            let plain = match &v.data {
                Data::String(text) if text.starts_with("ENC[AES256_GCM,") => {
                    if Kind::of(text).is_none() {
                        return Err(format!("the value of `{}` is damaged", path.join(".")));
                    }
                    leaves.push(Leaf::Encrypted { path: path.clone(), text: text.clone() });
                    return Ok(());
                }
                Data::String(text) => Plain::Text(text.to_string()),
                Data::Int(i) => Plain::Int(*i),
                Data::Float(f) => Plain::Float(*f),
                Data::Bool(b) => Plain::Bool(*b),
                Data::Null
                | Data::Duration(_)
                | Data::Size(_)
                | Data::List(_)
                | Data::Map(_)
                | Data::Tool(_)
                | Data::Component(_)
                | Data::Unknown(_)
                | Data::Error => return Ok(()),
            };
            leaves.push(Leaf::Clear(plain));
            Ok(())
        }
    }
}

/// Puts values in the place of the encrypted ones, in order.
fn fill(node: &mut Node, next: &mut dyn FnMut(Kind) -> Option<Value>) {
    match &mut node.kind {
        NodeKind::Seq(items) => items.iter_mut().for_each(|n| fill(n, next)),
        NodeKind::Map(entries) => entries.iter_mut().for_each(|(_, _, n)| fill(n, next)),
        NodeKind::Scalar(v) => {
            let kind = v.as_str().and_then(|text| Kind::of(text));
            if let Some(kind) = kind
                && let Some(value) = next(kind)
            {
                *v = value;
                node.origin = Origin::Sealed(kind);
            }
        }
    }
}

/// The type that the structure of an encrypted file says, where the program names none.
pub(crate) fn structure(node: &Node) -> Type {
    match (&node.kind, &node.origin) {
        // The same with a key and without one.
        (NodeKind::Scalar(_), Origin::Sealed(kind)) => kind.ty(),
        (NodeKind::Scalar(v), _) => match &v.data {
            Data::Bool(_) => Type::Bool,
            Data::Int(_) => Type::Int,
            Data::Float(_) => Type::Float,
            Data::String(_) => Type::String,
            Data::Null => Type::Null,
            Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error => Type::Any,
        },
        (NodeKind::Seq(items), _) => {
            let mut types = items.iter().map(structure);
            let first = types.next().unwrap_or(Type::Any);
            Type::list(if types.all(|t| t == first) { first } else { Type::Any })
        }
        (NodeKind::Map(entries), _) => {
            let field = |(name, at, n): &(Symbol, Span, Node)| {
                (name.clone(), FieldType { span: Some(*at), ..FieldType::plain(structure(n)) })
            };
            let fields: IndexMap<Symbol, FieldType> = entries.iter().map(field).collect();
            Type::Record(Arc::new(RecordType::new(fields, false)))
        }
    }
}
