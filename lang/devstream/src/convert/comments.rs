//! The comments of YAML, each with what it is about: what follows it, or what stands before it on its line.

use crate::mask::mask;
use dtm_lang::data::{Node, NodeKind, yaml_documents};
use dtm_lang::maps::HashMap;
use dtm_lang::source::{FileId, Span};
use granit_parser::{Event, Parser};
use std::collections::BTreeMap;

/// A place: the file, and the byte where a key or entry begins.
type At = (u32, u32);

/// The comments of all files that are not written yet.
#[derive(Default)]
pub(super) struct Comments {
    /// By what they are about.
    about: BTreeMap<At, Vec<String>>,
    /// The key that a value belongs to, and the key that this one is below.
    above: HashMap<At, At>,
    /// What is kept for an entry until it is written.
    reserved: HashMap<At, Vec<String>>,
    /// Entries that are written by themselves: what is said in them is not said of others.
    owned: BTreeMap<At, u32>,
    /// What stands at the begin of a file, about all of it.
    head: HashMap<FileId, Vec<String>>,
    /// What stands at the end of a file.
    tail: HashMap<FileId, Vec<String>>,
}

impl Comments {
    /// Adds those of a file, which is known to be YAML.
    pub(super) fn add(&mut self, file: FileId, text: &str) {
        let (plain, _) = mask(text);
        let mut anchors = vec![];
        for document in yaml_documents(file, &plain).unwrap_or_default() {
            self.anchors(&document, None, &mut anchors);
        }
        anchors.sort_unstable();
        anchors.dedup();
        for event in Parser::new_from_str(&plain) {
            let Ok((Event::Comment(..), at)) = event else { continue };
            let byte = |m: &granit_parser::Marker| m.byte_offset().unwrap_or(0) as u32;
            let (start, end) = (byte(&at.start), byte(&at.end));
            let said = text.get(start as usize + 1..end as usize).unwrap_or("").trim_end().to_string();
            let line = text[..start as usize].rfind('\n').map_or(0, |n| n + 1);
            let own_line = text[line..start as usize].trim().is_empty();
            let next = anchors.partition_point(|a| *a < start);
            let anchor = match own_line {
                true => anchors.get(next),
                false => next.checked_sub(1).and_then(|n| anchors.get(n)),
            };
            match anchor {
                Some(_) if own_line && next == 0 => self.head.entry(file).or_default().push(said),
                Some(anchor) => self.about.entry((file.0, *anchor)).or_default().push(said),
                None => self.tail.entry(file).or_default().push(said),
            }
        }
    }

    fn anchors(&mut self, node: &Node, key: Option<At>, out: &mut Vec<u32>) {
        match &node.kind {
            NodeKind::Map(entries) => {
                for (_, at, value) in entries {
                    let own = (at.file.0, at.start);
                    out.push(at.start);
                    if let Some(key) = key
                        && key != own
                    {
                        self.above.entry(own).or_insert(key);
                    }
                    let begin = (value.span.file.0, value.span.start);
                    if begin != own {
                        self.above.entry(begin).or_insert(own);
                    }
                    self.anchors(value, Some(own), out);
                }
            }
            // An entry of a list begins anew.
            NodeKind::Seq(items) => {
                for item in items {
                    out.push(item.span.start);
                    self.anchors(item, None, out);
                }
            }
            NodeKind::Scalar(_) => {}
        }
    }

    /// What is said of the whole.
    pub(super) fn head(&mut self, file: FileId) -> Vec<String> {
        self.head.remove(&file).unwrap_or_default()
    }

    /// What is said of what begins here, and of the keys that it is below.
    pub(super) fn take(&mut self, span: Span) -> Vec<String> {
        let mut way = vec![(span.file.0, span.start)];
        while let Some(above) = self.above.get(&way[way.len() - 1]).filter(|above| !way.contains(above)) {
            way.push(*above);
        }
        let mut said = self.reserved.remove(&way[0]).unwrap_or_default();
        said.extend(way.iter().rev().flat_map(|at| self.about.remove(at).unwrap_or_default()));
        said
    }

    /// These entries are written by themselves.
    pub(super) fn own(&mut self, entries: impl IntoIterator<Item = Span>) {
        self.owned.extend(entries.into_iter().map(|span| ((span.file.0, span.start), span.end)));
    }

    /// Keeps all that is said in an entry for it.
    pub(super) fn reserve(&mut self, entry: Span) {
        let mut said = self.take(entry);
        said.extend(self.take_in(entry));
        if !said.is_empty() {
            self.reserved.insert((entry.file.0, entry.start), said);
        }
    }

    /// Whether something is said of what begins here.
    pub(super) fn has(&self, span: Span) -> bool {
        let mut at = (span.file.0, span.start);
        for _ in 0..100 {
            if self.about.contains_key(&at) || self.reserved.contains_key(&at) {
                return true;
            }
            match self.above.get(&at) {
                Some(above) => at = *above,
                None => return false,
            }
        }
        false
    }

    /// What is left of what is said in a place, in order.
    pub(super) fn take_in(&mut self, span: Span) -> Vec<String> {
        self.take_between(span.file, span.start, span.end)
    }

    /// What is left of what is said before a place, in order.
    pub(super) fn take_before(&mut self, span: Span) -> Vec<String> {
        let is_owned = |at: &At| {
            self.owned.range(..=*at).next_back().is_some_and(|((file, _), end)| *file == at.0 && at.1 < *end)
        };
        let before = self.about.range((span.file.0, 0)..(span.file.0, span.start));
        let found: Vec<At> = before.map(|(at, _)| *at).filter(|at| !is_owned(at)).collect();
        found.iter().flat_map(|at| self.about.remove(at).unwrap_or_default()).collect()
    }

    /// All that is left of a file.
    pub(super) fn rest(&mut self, file: FileId) -> Vec<String> {
        let mut rest = self.head(file);
        rest.extend(self.take_between(file, 0, u32::MAX));
        rest.extend(self.tail.remove(&file).unwrap_or_default());
        rest
    }

    fn take_between(&mut self, file: FileId, begin: u32, end: u32) -> Vec<String> {
        if begin >= end {
            return vec![];
        }
        let found: Vec<At> = self.about.range((file.0, begin)..(file.0, end)).map(|(at, _)| *at).collect();
        found.iter().flat_map(|at| self.about.remove(at).unwrap_or_default()).collect()
    }
}

/// The comments of a text that is YAML, in order.
pub(super) fn of_text(text: &str) -> Vec<String> {
    let (plain, _) = mask(text);
    let said = |event: Result<(Event<'_>, granit_parser::Span), _>| match event {
        Ok((Event::Comment(..), at)) => {
            let byte = |m: &granit_parser::Marker| m.byte_offset().unwrap_or(0);
            Some(text.get(byte(&at.start) + 1..byte(&at.end)).unwrap_or("").trim_end().to_string())
        }
        _ => None,
    };
    Parser::new_from_str(&plain)
        .map_while(|e: Result<_, granit_parser::ScanError>| e.is_ok().then_some(e))
        .filter_map(said)
        .collect()
}
