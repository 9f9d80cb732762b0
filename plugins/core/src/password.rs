//! `core.Password`: random, from the operating system's generator.

use crate::interface::password;
use dtm_plugin::protocol::{Fields, Method};
use dtm_plugin::serde_json::{Value as Json, from_value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Secret};

pub(crate) struct Password;

const LETTERS_AND_DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn generate(length: i64, alphabet: &str) -> Result<String, Failure> {
    let chars: Vec<char> = alphabet.chars().collect();
    if !(1..=1024).contains(&length) {
        return Err(
            Failure::clean(format!("a password has from 1 to 1024 characters, not {length}")).input("length")
        );
    }
    if chars.is_empty() || chars.len() > 65536 {
        return Err(Failure::clean("the alphabet is empty or too large").input("alphabet"));
    }
    // Numbers at the end that would favor some characters are thrown away.
    let fair = u32::MAX - u32::MAX % chars.len() as u32;
    let mut out = String::new();
    while (out.chars().count() as i64) < length {
        let number = getrandom::u32().map_err(|e| Failure::clean(format!("no random numbers: {e}")))?;
        if number < fair {
            out.push(chars[number as usize % chars.len()]);
        }
    }
    Ok(out)
}

impl Kind for Password {
    const NAME: &'static str = "Password";
    type Inputs = password::Inputs;
    type Outputs = password::Outputs;

    const ANSWERS: &'static [Method] = &[Method::Validate];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        let alphabet = inputs.get("alphabet").and_then(Json::as_str).unwrap_or(LETTERS_AND_DIGITS);
        match inputs.get("length").and_then(Json::as_i64) {
            Some(length) => generate(length, alphabet).map(|_| ()),
            None => Ok(()),
        }
    }
    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        if !object.outputs.contains_key("value") {
            return Ok(None);
        }
        let outputs = from_value(Json::Object(object.outputs)).map_err(|e| Failure::clean(e.to_string()))?;
        Ok(Some(Observed { outputs, inputs: Fields::new(), drift: vec![], private: object.private }))
    }
    async fn create(ctx: &Ctx, inputs: password::Inputs) -> Result<Change<Self>, Failure> {
        let value = generate(inputs.length, inputs.alphabet.as_deref().unwrap_or(LETTERS_AND_DIGITS))?;
        Ok(Change {
            id: ctx.op.clone(),
            outputs: password::Outputs { value: Secret(value) },
            private: Json::Null,
        })
    }
    async fn update(_: &Ctx, object: Object<Self>, _: password::Inputs) -> Result<Change<Self>, Failure> {
        let outputs = from_value(json!(object.outputs)).map_err(|e| Failure::clean(e.to_string()))?;
        Ok(Change { outputs, id: object.id, private: object.private })
    }
    async fn delete(_: &Ctx, _: Object<Self>) -> Result<(), Failure> {
        Ok(())
    }
}
