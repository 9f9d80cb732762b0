//! Plain values to those of the protocol. Lines of files are counted here and nowhere else.

use crate::documents::Edit;
use crate::ide;
use crate::position::Lines;
use crate::world::Analysis;
use dtm_lang::source::Span;
use dtm_lang::{Diagnostic, Severity};
use std::collections::HashMap;
use std::path::Path;
use tower_lsp_server::ls_types as lsp;

/// The range of bytes of a text.
pub(crate) fn range(text: &str, lines: &Lines, bytes: std::ops::Range<usize>) -> lsp::Range {
    let position = |offset| {
        let (line, character) = lines.position(text, offset);
        lsp::Position { line, character }
    };
    lsp::Range { start: position(bytes.start), end: position(bytes.end) }
}

pub(crate) fn edit(change: lsp::TextDocumentContentChangeEvent) -> Edit {
    let pair = |p: lsp::Position| (p.line, p.character);
    Edit { range: change.range.map(|r| (pair(r.start), pair(r.end))), text: change.text }
}

/// The places of one analysis. What is built in is written into a folder, so that an editor can open it.
pub(crate) struct Places<'a> {
    analysis: &'a Analysis,
    lines: HashMap<u32, Lines>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(analysis: &'a Analysis) -> Places<'a> {
        Places { analysis, lines: HashMap::new() }
    }

    pub(crate) fn range(&mut self, span: Span) -> lsp::Range {
        let text = &self.analysis.sources.file(span.file).text;
        let lines = self.lines.entry(span.file.0).or_insert_with(|| Lines::new(text));
        range(text, lines, span.range())
    }

    pub(crate) fn location(&mut self, span: Span) -> Option<lsp::Location> {
        let path = match self.analysis.path(span.file) {
            Some(path) => path,
            None => built_in(self.analysis, span)?,
        };
        Some(lsp::Location { uri: lsp::Uri::from_file_path(path)?, range: self.range(span) })
    }

    pub(crate) fn diagnostic(&mut self, reported: &Diagnostic) -> Option<lsp::Diagnostic> {
        let primary = reported.primary.as_ref()?;
        let mut message = reported.headline.clone();
        for (word, lines) in [("note", &reported.notes), ("help", &reported.help)] {
            lines.iter().for_each(|line| message += &format!("\n{word}: {line}"));
        }
        let related = reported.secondary.iter().filter_map(|l| {
            let message = l.text.clone();
            Some(lsp::DiagnosticRelatedInformation { location: self.location(l.span)?, message })
        });
        let related: Vec<_> = related.collect();
        let severity = match reported.severity() {
            Severity::Error => lsp::DiagnosticSeverity::ERROR,
            Severity::Warning => lsp::DiagnosticSeverity::WARNING,
        };
        Some(lsp::Diagnostic {
            range: self.range(primary.span),
            severity: Some(severity),
            code: Some(lsp::NumberOrString::String(reported.code.to_string())),
            source: Some("dtm".into()),
            message,
            related_information: (!related.is_empty()).then_some(related),
            tags: (reported.code == dtm_lang::Code::W0302).then(|| vec![lsp::DiagnosticTag::DEPRECATED]),
            ..lsp::Diagnostic::default()
        })
    }

    pub(crate) fn action(&mut self, action: ide::Action) -> Option<lsp::CodeActionOrCommand> {
        let mut changes: HashMap<lsp::Uri, Vec<lsp::TextEdit>> = HashMap::new();
        for (span, new_text) in action.edits {
            let location = self.location(span)?;
            changes.entry(location.uri).or_default().push(lsp::TextEdit { range: location.range, new_text });
        }
        let mends = self.analysis.diagnostics.get(action.diagnostic).and_then(|d| self.diagnostic(d));
        Some(lsp::CodeActionOrCommand::CodeAction(lsp::CodeAction {
            title: action.title,
            kind: Some(lsp::CodeActionKind::QUICKFIX),
            diagnostics: mends.map(|d| vec![d]),
            edit: Some(lsp::WorkspaceEdit { changes: Some(changes), ..lsp::WorkspaceEdit::default() }),
            is_preferred: Some(action.safe),
            ..lsp::CodeAction::default()
        }))
    }
}

/// The text of a built-in file on disk: `<core>/core.dts` in the user's cache.
fn built_in(analysis: &Analysis, span: Span) -> Option<std::path::PathBuf> {
    let file = analysis.sources.file(span.file);
    let name = file.path.rsplit('/').next()?;
    let var = |n: &str| std::env::var_os(n).filter(|v| !v.is_empty()).map(std::path::PathBuf::from);
    let cache = var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?;
    let folder = cache.join("dtm/interfaces").join(env!("CARGO_PKG_VERSION"));
    let path = folder.join(name);
    if std::fs::read(&path).ok().as_deref() != Some(file.text.as_bytes()) {
        std::fs::create_dir_all(&folder).ok()?;
        // Whole or not at all: an editor may read it at the same time.
        let beside = folder.join(format!(".{name}.{}", std::process::id()));
        std::fs::write(&beside, file.text.as_bytes()).ok()?;
        std::fs::rename(&beside, &path).ok()?;
    }
    Some(path)
}

pub(crate) fn hover(places: &mut Places<'_>, found: ide::Hover) -> lsp::Hover {
    let mut value = format!("```dts\n{}\n```", found.code);
    found.text.iter().for_each(|t| value += &format!("\n\n{t}"));
    let contents = lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value };
    lsp::Hover { contents: lsp::HoverContents::Markup(contents), range: Some(places.range(found.span)) }
}

pub(crate) fn item(found: ide::Item, place: lsp::Range, order: usize) -> lsp::CompletionItem {
    use lsp::CompletionItemKind as Kind;
    let kind = match found.what {
        "tool" | "kind" => Kind::CLASS,
        "input" | "field" | "option" => Kind::FIELD,
        "output" => Kind::PROPERTY,
        "builtin" => Kind::FUNCTION,
        "keyword" => Kind::KEYWORD,
        "module" | "plugin" => Kind::MODULE,
        "value" => Kind::ENUM_MEMBER,
        "type" => Kind::INTERFACE,
        _ => Kind::VARIABLE,
    };
    let doc = |value: String| {
        lsp::Documentation::MarkupContent(lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value })
    };
    lsp::CompletionItem {
        label: found.label.clone(),
        kind: Some(kind),
        detail: Some(found.detail).filter(|d| !d.is_empty()),
        documentation: Some(found.doc).filter(|d| !d.is_empty()).map(doc),
        sort_text: Some(format!("{order:04}")),
        filter_text: Some(found.label),
        text_edit: Some(lsp::CompletionTextEdit::Edit(lsp::TextEdit { range: place, new_text: found.text })),
        ..lsp::CompletionItem::default()
    }
}

#[allow(deprecated)]
pub(crate) fn symbol(text: &str, lines: &Lines, found: ide::Symbol) -> lsp::DocumentSymbol {
    use lsp::SymbolKind as Kind;
    let kind = match found.what {
        "tool" | "existing" => Kind::OBJECT,
        "kind" | "component" => Kind::CLASS,
        "type" => Kind::INTERFACE,
        "fn" => Kind::FUNCTION,
        "param" => Kind::VARIABLE,
        "input" | "output" => Kind::PROPERTY,
        _ => Kind::CONSTANT,
    };
    let inside: Vec<_> = found.inside.into_iter().map(|s| symbol(text, lines, s)).collect();
    lsp::DocumentSymbol {
        name: found.name,
        detail: Some(found.detail).filter(|d| !d.is_empty()),
        kind,
        tags: None,
        deprecated: None,
        range: range(text, lines, found.span.range()),
        selection_range: range(text, lines, found.at.range()),
        children: (!inside.is_empty()).then_some(inside),
    }
}

/// The path of a file that an editor names.
pub(crate) fn path(uri: &lsp::Uri) -> Option<std::path::PathBuf> {
    uri.to_file_path().map(|p| Path::new(&*p).to_path_buf())
}
