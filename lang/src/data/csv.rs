//! CSV as RFC 4180 defines it: the first record names the columns, every other record becomes a map of its fields.
//! Fields stay text here; [`super::typed`] converts each of them to the type of its column.

use super::{Node, NodeKind, Origin, Quoting, syntax};
use crate::diag::Diagnostic;
use crate::maps::HashMap;
use crate::source::{FileId, Span, Symbol};
use crate::value::Value;
use csv_core::{ReadFieldResult, Reader};

/// A field with its place, quotes included.
struct Field {
    text: Symbol,
    quoting: Quoting,
    span: Span,
}

pub(super) fn read(file: FileId, text: &str) -> Result<Node, Box<Diagnostic>> {
    let whole = Span::new(file, 0, text.len() as u32);
    let mut records = records(file, text)?.into_iter();
    let header = records.next().unwrap_or_default();
    let columns = columns(&header, whole)?;
    let mut rows = vec![];
    for record in records {
        let span = record.first().map_or(whole, |f| f.span);
        let span = record.last().map_or(span, |last| span.to(last.span));
        if record.len() != columns.len() {
            let fields = |n: usize| if n == 1 { "1 field".into() } else { format!("{n} fields") };
            let why = format!("this record has {}, the header has {}", fields(record.len()), columns.len());
            let header = header.first().map_or(whole, |f| f.span).to(header.last().map_or(whole, |f| f.span));
            return Err(Box::new(syntax(span, why).also(header, "the header")));
        }
        let cell = |((name, at), field): (&(Symbol, Span), Field)| {
            let kind = NodeKind::Scalar(Value::string(field.text));
            let node = Node { span: field.span, kind, origin: Origin::Cell(field.quoting) };
            (name.clone(), *at, node)
        };
        let kind = NodeKind::Map(columns.iter().zip(record).map(cell).collect());
        let origin = Origin::Record(header[0].span.to(header[header.len() - 1].span));
        rows.push(Node { span, kind, origin });
    }
    Ok(Node::new(whole, NodeKind::Seq(rows)))
}

/// The names of the columns, each once.
fn columns(header: &[Field], whole: Span) -> Result<Vec<(Symbol, Span)>, Box<Diagnostic>> {
    if let [only] = header
        && only.quoting == Quoting::Bare
        && let Some(other) = [';', '\t'].into_iter().find(|c| only.text.contains(*c))
    {
        let shown = if other == ';' { "a semicolon" } else { "a tab" };
        return Err(syntax(only.span, format!("a comma separates fields, this file uses {shown}")));
    }
    let mut seen: HashMap<Symbol, Span> = HashMap::default();
    let mut columns = vec![];
    for (i, field) in header.iter().enumerate() {
        let name: Symbol = field.text.trim().into();
        if name.is_empty() {
            return Err(syntax(field.span, format!("column {} has no name", i + 1)));
        }
        if let Some(first) = seen.insert(name.clone(), field.span) {
            let d = syntax(field.span, format!("two columns are named `{name}`"));
            return Err(Box::new(d.also(first, "first here")));
        }
        columns.push((name, field.span));
    }
    match columns.is_empty() {
        true => Err(syntax(whole, "it is empty: the first line names the columns".into())),
        false => Ok(columns),
    }
}

fn records(file: FileId, text: &str) -> Result<Vec<Vec<Field>>, Box<Diagnostic>> {
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader::new();
    let mut out = vec![0; text.len().max(1)];
    let (mut records, mut record) = (vec![], vec![]);
    loop {
        // The reader passes over the ends of lines when the next record begins.
        if record.is_empty() {
            at += text[at..].bytes().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        }
        let start = at;
        let mut length = 0;
        let ends_record = loop {
            let (result, read, written) = reader.read_field(&text.as_bytes()[at..], &mut out[length..]);
            at += read;
            length += written;
            match result {
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::OutputFull => out.resize(out.len() * 2, 0),
                ReadFieldResult::Field { record_end } => break Some(record_end),
                ReadFieldResult::End => break None,
            }
        };
        let Some(ends_record) = ends_record else { return Ok(records) };
        let raw = &text[start..at];
        let raw = match ends_record {
            true => raw.trim_end_matches(['\r', '\n']),
            false => raw.strip_suffix(',').unwrap_or(raw),
        };
        let span = Span::new(file, start as u32, (start + raw.len()) as u32);
        let quoting = quoting(raw, span)?;
        record.push(Field { text: String::from_utf8_lossy(&out[..length]).into(), quoting, span });
        if ends_record {
            records.push(std::mem::take(&mut record));
        }
    }
}

/// Whether a field is quoted, and then as a whole: the reader takes anything.
fn quoting(raw: &str, span: Span) -> Result<Quoting, Box<Diagnostic>> {
    let Some(inside) = raw.strip_prefix('"') else { return Ok(Quoting::Bare) };
    let mut rest = inside;
    while let Some((_, after)) = rest.split_once('"') {
        match after.strip_prefix('"') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(Quoting::Quoted),
            None => {
                let end = span.end - after.len() as u32;
                let why = "text follows the closing quote: a quote inside a quoted field is written twice";
                return Err(syntax(Span { start: end, ..span }, why.into()));
            }
        }
    }
    Err(syntax(Span { end: span.start + 1, ..span }, "this quote is never closed".into()))
}
