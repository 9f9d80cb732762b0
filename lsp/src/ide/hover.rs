//! What a name is: its type, when it is known, its documentation.

use super::completion::DECLARATIONS;
use super::{at, use_at};
use crate::world::Analysis;
use dtm_lang::source::{FileId, Span};

/// What is shown at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Hover {
    /// What it is about.
    pub span: Span,
    /// Source text that tells what it is: `output url: string`.
    pub code: String,
    /// Sentences below.
    pub text: Vec<String>,
}

/// What stands at a byte.
pub fn hover(analysis: &Analysis, file: FileId, offset: u32) -> Option<Hover> {
    let facts = &analysis.facts;
    if let Some(found) = use_at(facts, file, offset) {
        let declared = facts.definitions.iter().find(|d| Some(d.at) == found.definition);
        let doc = found.doc.clone().or_else(|| declared.and_then(|d| d.doc.clone()));
        let name = analysis.sources.text(found.at).trim_matches('"').to_string();
        let mut text: Vec<String> = vec![];
        text.extend(doc.map(|d| d.to_string()));
        text.extend(phase(analysis, found.at).map(String::from));
        return Some(Hover { span: found.at, code: code(found.what, &name, &found.ty), text });
    }
    if let Some(found) = facts.definitions.iter().find(|d| at(d.at, file, offset)) {
        let name = analysis.sources.text(found.at).to_string();
        let text = found.doc.iter().map(|d| d.to_string()).collect();
        return Some(Hover { span: found.at, code: code(found.what, &name, &found.ty), text });
    }
    if let Some(keyword) = keyword(analysis, file, offset) {
        return Some(keyword);
    }
    let narrow = facts.types.iter().filter(|(s, _)| at(*s, file, offset));
    let (span, ty) = narrow.min_by_key(|(s, _)| s.end - s.start)?;
    if matches!(ty, dtm_lang::types::Type::Error) {
        return None;
    }
    let text = phase(analysis, *span).map(String::from).into_iter().collect();
    Some(Hover { span: *span, code: ty.to_string(), text })
}

/// The word that begins a declaration, if one is at a byte.
fn keyword(analysis: &Analysis, file: FileId, offset: u32) -> Option<Hover> {
    let text = &analysis.sources.file(file).text;
    let start = text.get(..offset as usize)?.rfind('\n').map_or(0, |newline| newline + 1);
    let (word, doc, page) =
        DECLARATIONS.iter().find(|(word, ..)| text[start..].split([' ', '\n']).next() == Some(word))?;
    let begin = u32::try_from(start).ok()?;
    let span = Span { file, start: begin, end: begin + u32::try_from(word.len()).ok()? };
    let text = vec![doc.to_string(), format!("In the guide: `dtm help guide {page}`")];
    at(span, file, offset).then(|| Hover { span, code: word.to_string(), text })
}

fn code(what: &str, name: &str, ty: &str) -> String {
    match what {
        "builtin" | "kind" | "module" => ty.to_string(),
        "plugin" => format!("plugin {name}"),
        "type" => format!("type {name} = {ty}"),
        _ if ty.is_empty() => format!("{what} {name}"),
        _ => format!("{what} {name}: {ty}"),
    }
}

/// When the value is known. The expression is found by where it ends, as the last part of a path does.
fn phase(analysis: &Analysis, span: Span) -> Option<&'static str> {
    let ends = |s: &Span| s.file == span.file && s.end == span.end && s.start <= span.start;
    let found = analysis.facts.deferred.iter().filter(|(s, _)| ends(s));
    let (_, deferred) = found.min_by_key(|(s, _)| s.end - s.start)?;
    Some(if *deferred { "Known after apply." } else { "Known when planning." })
}
