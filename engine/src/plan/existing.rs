//! Objects of somebody else's, `existing`: found by their natural key, read, and never made, changed or deleted. They are
//! in no state: what is read holds for this run.

use super::build::Builder;
use super::reads::{Seen, find, read_one};
use super::{Action, Node, Reason, build::tag_outputs};
use crate::Fields;
use crate::plugin::{PluginCalls, Settings};
use crate::state::{Entry, OpKey, Status};
use dtm_lang::interface::Kind;
use dtm_lang::types::{Lit, Type};
use dtm_lang::value::Data;
use dtm_lang::wire::{has_unknown, mark_secret, to_wire};
use dtm_lang::{Code, Diagnostic, Value};
use serde_json::Value as Json;

impl Builder<'_> {
    /// Looks the object up, now or, when its key or the settings are not known yet, in its turn.
    pub(super) async fn look_up(&mut self, node: &mut Node, instance: &dtm_lang::Instance) {
        let unknown = node.desired.values().chain(node.settings.values()).any(has_unknown);
        if unknown || self.options.no_read || self.is_interface_only(&node.plugin) {
            node.action = Action::Find;
            node.reason = if unknown { Reason::KeyUnknown } else { Reason::Plain };
            return;
        }
        match look_up(&**self.plugins, &node.plugin, &node.settings, &instance.kind, &node.desired).await {
            Ok(entry) => node.prior = Some(entry.into()),
            Err(why) => {
                let why = self.plugins.redactor().mask(&why);
                let d = Diagnostic::new(Code::E0615, format!("`{}`: {why}", node.addr));
                let d = d.at(instance.span, "expected to exist").tool(node.addr.clone());
                self.missing.push((node.addr.clone(), d));
            }
        }
    }
}

/// The object of a natural key, as an entry that no state has.
///
/// # Errors
/// None or several have the key, or it cannot be read.
pub(crate) async fn look_up(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    kind: &Kind,
    key: &Fields,
) -> Result<Entry, String> {
    let op = OpKey::fresh();
    let shown = || {
        let key = crate::secret::public(&Json::Object(key.clone()));
        format!("{} {key}", kind.path())
    };
    let ids = find(plugins, plugin, settings, &kind.name, key.clone(), &op.0).await;
    let id = match ids.map_err(|e| format!("it could not be looked up: {e}"))?.as_slice() {
        [id] => id.clone(),
        [] => return Err(format!("there is no {}", shown())),
        several => {
            return Err(format!("there are {} of {}: `{}`", several.len(), shown(), several.join("`, `")));
        }
    };
    let mut entry = Entry {
        plugin: std::sync::Arc::default(),
        kind: (&kind.name).into(),
        place: Fields::new(),
        using: None,
        id: Some(id.clone()),
        inputs: padded(kind, key),
        outputs: Fields::new(),
        private: Json::Null,
        deps: vec![],
        protect: false,
        timeout: None,
        status: Status::Ok,
        op,
        absent_before: false,
        retired: vec![],
        time: String::new(),
    };
    match read_one(plugins, plugin, settings, &entry).await {
        Seen::Object(object) => {
            crate::plugin::conforms(kind, &object.outputs)
                .map_err(|why| format!("what the plugin read is not as its interface says: {why}"))?;
            entry.inputs = key.clone();
            entry.outputs = tag_outputs(kind, &entry.inputs, &object.outputs);
            Ok(entry)
        }
        Seen::Absent => Err(format!("`{id}` was found, and is no longer there")),
        Seen::Failed(why) => Err(format!("`{id}` could not be read: {why}")),
    }
}

/// The key among inputs as a plugin can read them: of those that nobody knows, the empty value of their type.
fn padded(kind: &Kind, key: &Fields) -> Fields {
    let mut out = key.clone();
    for (name, input) in kind.inputs.iter().filter(|(_, i)| !i.field.ty.is_nullable()) {
        out.entry(name.to_string()).or_insert_with(|| empty(&input.field.ty));
    }
    out
}

fn empty(ty: &Type) -> Json {
    match ty {
        Type::Bool => false.into(),
        Type::Int | Type::Float => 0.into(),
        Type::Duration => to_wire(&Value::plain(Data::Duration(0))),
        Type::Size => to_wire(&Value::plain(Data::Size(0))),
        Type::Lit(Lit::String(s)) => s.to_string().into(),
        Type::Lit(Lit::Int(i)) => (*i).into(),
        Type::Lit(Lit::Bool(b)) => (*b).into(),
        Type::List(_) => Json::Array(vec![]),
        Type::Map(_) => Json::Object(Fields::new()),
        Type::Record(r) => {
            let fields = r.fields.iter().filter(|(_, f)| !f.ty.is_nullable());
            Json::Object(fields.map(|(n, f)| (n.to_string(), empty(&f.ty))).collect())
        }
        Type::Refined(r) => empty(&r.base),
        Type::Secret(inner) => mark_secret(empty(inner)),
        Type::Union(members) => members.first().map_or(Json::Null, empty),
        Type::String => "".into(),
        Type::Null | Type::Any | Type::Tool(_) | Type::Var(_) | Type::Error => Json::Null,
    }
}
