//! What a plugin answers, held against its interface.

use crate::Fields;
use dtm_lang::interface::Kind;
use dtm_lang::types::Type;
use dtm_lang::wire::from_wire;
use serde_json::Value;

/// Whether outputs are what the interface says they are; a secret is never told.
///
/// # Errors
/// The first output that is not.
pub fn conforms(kind: &Kind, outputs: &Fields) -> Result<(), String> {
    for (name, output) in &kind.outputs {
        let value = outputs.get(&**name).unwrap_or(&Value::Null);
        if value.is_null() && matches!(output.ty, Type::Any) {
            continue;
        }
        if let Err(why) = from_wire(value, &output.ty) {
            // Untyped data accepts every value that can be represented exactly.
            if matches!(output.ty, Type::Any) {
                return Err(format!("`{name}`{why}"));
            }
            let shown = if output.ty.has_secret() { "(secret)".to_string() } else { value.to_string() };
            return Err(format!("`{name}` is {shown}, expected `{}`", output.ty));
        }
    }
    Ok(())
}
