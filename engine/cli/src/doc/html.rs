//! Pages as HTML: one file each, with a list of all, a search, and the style inside, so that a folder of them needs
//! nothing else.

use super::manual::{GENERATED, file_of};
use dtm_lang::syntax::lexer::lex;
use dtm_lang::syntax::token::Kind;
use dtm_lang::{Diagnostics, FileId};
use pulldown_cmark::{
    CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html::push_html,
};
use std::collections::HashMap;
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("search.js");

/// Nothing is loaded from anywhere, as in the page of a plan.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A page as it is written down.
pub struct Source {
    /// The name of its file, without `.html`.
    pub file: String,
    /// How the list names it.
    pub title: String,
    /// The part of the manual that it is in; empty for none.
    pub part: String,
    /// Its text.
    pub markdown: String,
}

/// Something that the search finds.
struct Entry {
    title: String,
    page: String,
    href: String,
}

/// The headings of a page: level, anchor and title.
type Headings = Vec<(u8, String, String)>;

/// All files: their names and texts. The first page is the beginning.
pub fn site(name: &str, sources: &[Source]) -> Vec<(String, String)> {
    let pages: Vec<(String, Headings)> = sources.iter().map(|source| body(source, sources)).collect();
    let mut entries = vec![];
    for (source, (_, headings)) in sources.iter().zip(&pages) {
        for (_, id, title) in headings {
            entries.push(Entry {
                title: title.clone(),
                page: source.title.clone(),
                href: format!("{}.html#{id}", source.file),
            });
        }
    }
    let index: Vec<serde_json::Value> =
        entries.iter().map(|e| serde_json::json!([e.title, e.page, e.href])).collect();
    // In a script, `</` would end it, and `<!--` would change how it ends.
    let index = serde_json::Value::from(index).to_string().replace('<', "\\u003c");
    let mut out = vec![];
    for (at, (source, (body, headings))) in sources.iter().zip(&pages).enumerate() {
        let list = navigation(sources, at, headings);
        let around = |i: Option<usize>, rel: &str, arrow: &str| {
            let page = i.and_then(|i| sources.get(i));
            page.map_or(String::new(), |p| {
                format!(
                    "<a rel=\"{rel}\" href=\"{}.html\">{arrow} {}</a>",
                    escaped(&p.file),
                    escaped(&p.title)
                )
            })
        };
        let (before, after) = (around(at.checked_sub(1), "prev", "←"), around(Some(at + 1), "next", "→"));
        let title = escaped(&source.title);
        let text = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title} · {name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <nav>\n<p class=\"name\">{name}</p>\n\
             <input id=\"search\" type=\"search\" placeholder=\"Search\" aria-label=\"Search\">\n\
             <ol id=\"found\" hidden></ol>\n<ul id=\"pages\">\n{list}</ul>\n</nav>\n\
             <main>\n{body}<footer>{before}{after}</footer>\n</main>\n\
             <script>\nconst INDEX = {index};\n{SCRIPT}</script>\n</body>\n</html>\n",
            name = escaped(name),
        );
        out.push((format!("{}.html", source.file), text));
    }
    out
}

/// The list of all pages, by part, with the headings of the one at `at`.
fn navigation(sources: &[Source], at: usize, headings: &Headings) -> String {
    let here = sources.get(at).map(|source| &*source.file);
    let mut list = String::new();
    for part in sources.chunk_by(|a, b| a.part == b.part) {
        let name = part.first().map_or("", |source| &*source.part);
        if !name.is_empty() {
            let open = if part.iter().any(|source| Some(&*source.file) == here) { " open" } else { "" };
            let _ = writeln!(list, "<li><details{open}><summary>{}</summary>\n<ul>", escaped(name));
        }
        for source in part {
            let (file, title) = (escaped(&source.file), escaped(&source.title));
            let is_here = Some(&*source.file) == here;
            let class = if is_here { " class=\"here\"" } else { "" };
            let _ = writeln!(list, "<li{class}><a href=\"{file}.html\">{title}</a>");
            if is_here {
                list += "<ul>";
                for (_, id, title) in headings.iter().filter(|(level, ..)| *level == 2 || *level == 3) {
                    let _ = write!(list, "<li><a href=\"#{id}\">{}</a></li>", escaped(title));
                }
                list += "</ul>";
            }
            list += "</li>\n";
        }
        if !name.is_empty() {
            list += "</ul></details></li>\n";
        }
    }
    list
}

/// The body of a page, and its headings: level, anchor, text.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other Markdown is rendered as it is")]
fn body(source: &Source, sources: &[Source]) -> (String, Headings) {
    let markdown = &*source.markdown;
    let names: Vec<String> = headings_of(markdown);
    let mut used: HashMap<String, usize> = HashMap::new();
    let mut headings = vec![];
    let mut events: Vec<Event<'_>> = vec![];
    let mut code: Option<(String, String)> = None;
    let mut heading: Option<(HeadingLevel, Vec<Event<'_>>, String)> = None;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        if let Some((_, inside, text)) = &mut heading
            && !matches!(event, Event::End(TagEnd::Heading(_)))
        {
            if let Event::Text(t) | Event::Code(t) = &event {
                text.push_str(t);
            }
            inside.push(event);
            continue;
        }
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) => {
                code = Some((kind.to_string(), String::new()));
            }
            Event::Text(text) if code.is_some() => {
                if let Some((_, so_far)) = &mut code {
                    so_far.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((kind, text)) = code.take() {
                    events.push(Event::Html(CowStr::from(block(&kind, &text, &names))));
                }
            }
            Event::Start(Tag::Heading { level, .. }) => heading = Some((level, vec![], String::new())),
            Event::End(TagEnd::Heading(_)) => {
                let Some((level, inside, text)) = heading.take() else { continue };
                let plain = slug(&text);
                let count = used.entry(plain.clone()).or_default();
                *count += 1;
                let id = if *count == 1 { plain } else { format!("{plain}-{count}") };
                let number = level as u8;
                events.push(Event::Html(format!("<h{number} id=\"{id}\"><a href=\"#{id}\">").into()));
                events.extend(inside);
                events.push(Event::Html(format!("</a></h{number}>\n").into()));
                headings.push((number, id, text));
            }
            // What a page says of other pages leads to them.
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let dest_url = CowStr::from(led(&dest_url, source, sources));
                events.push(Event::Start(Tag::Link { link_type, dest_url, title, id }));
            }
            // A remote image would reveal who reads this page.
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                let dest_url = CowStr::from(led(&dest_url, source, sources));
                events.push(Event::Start(Tag::Image { link_type, dest_url, title, id }));
            }
            Event::Code(text) => {
                let shown = format!("<code>{}</code>", linked(&text, &names));
                events.push(Event::Html(shown.into()));
            }
            // Documentation is data: what looks like HTML in it is shown, not run.
            Event::Html(text) | Event::InlineHtml(text) => events.push(Event::Text(text)),
            other => events.push(other),
        }
    }
    let mut out = String::new();
    push_html(&mut out, events.into_iter());
    (out, headings)
}

/// A link to a Markdown file that is a page of the site, as one to that page; what could run is taken away.
fn led(to: &str, from: &Source, sources: &[Source]) -> String {
    let scheme = to.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let is_generated = to.starts_with(GENERATED);
    if to.contains(':') && !is_generated && !["http", "https", "mailto"].contains(&&*scheme) {
        return String::new();
    }
    let (path, anchor) = to.split_once('#').map_or((to, String::new()), |(p, a)| (p, format!("#{a}")));
    let folder =
        from.file.rsplit_once('.').map_or(String::new(), |(folder, _)| folder.replace('.', "/") + "/");
    let file = if is_generated { file_of(path) } else { file_of(&format!("{folder}{path}")) };
    let stem = path.trim_end_matches(".md").rsplit('/').next().unwrap_or_default();
    let is_page = path.ends_with(".md") || is_generated;
    let exact = sources.iter().find(|s| is_page && s.file == file);
    match exact.or_else(|| sources.iter().find(|s| is_page && s.file.rsplit('.').next() == Some(stem))) {
        Some(page) => format!("{}.html{anchor}", page.file),
        None => to.to_string(),
    }
}

fn headings_of(markdown: &str) -> Vec<String> {
    markdown.lines().filter_map(|l| l.strip_prefix("### ")).map(String::from).collect()
}

fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let all: String = text.chars().map(plain).collect();
    all.split('-').filter(|p| !p.is_empty()).collect::<Vec<_>>().join("-")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A block of code; programs are colored, and names of the page lead to it.
fn block(kind: &str, text: &str, names: &[String]) -> String {
    let mut words = kind.split_whitespace();
    let language = words.next().unwrap_or("");
    let file =
        words.next().map(|f| format!("<span class=\"file\">{}</span>", escaped(f))).unwrap_or_default();
    let inner = if language == "dts" { colored(text, names) } else { escaped(text) };
    format!("<pre class=\"{}\">{file}<code>{inner}</code></pre>\n", escaped(language))
}

/// Code in a line, where names of the page lead to what they name.
fn linked(text: &str, names: &[String]) -> String {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|other| word(other) != word(c)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        match c.is_uppercase() && names.iter().any(|n| n == part) {
            true => _ = write!(out, "<a href=\"#{}\">{}</a>", slug(part), escaped(part)),
            false => out += &escaped(part),
        }
        rest = after;
    }
    out
}

#[expect(clippy::wildcard_enum_match_arm, reason = "tokens without a color")]
fn colored(text: &str, names: &[String]) -> String {
    let mut out = String::new();
    let mut last: Option<Kind> = None;
    for token in lex(FileId(0), text, &mut Diagnostics::default()) {
        let part = &text[token.span.start as usize..token.span.end as usize];
        let class = match token.kind {
            Kind::Comment | Kind::HashComment => "comment",
            Kind::StrStart | Kind::StrText | Kind::StrEnd => "string",
            Kind::Number => "number",
            Kind::True | Kind::False | Kind::Null => "number",
            Kind::At => "annotation",
            kind if is_word(kind) && last != Some(Kind::Dot) && part.chars().all(char::is_alphabetic) => {
                "word"
            }
            _ => "",
        };
        let shown = match part.starts_with(char::is_uppercase) && names.iter().any(|n| n == part) {
            true => format!("<a href=\"#{}\">{}</a>", slug(part), escaped(part)),
            false => escaped(part),
        };
        match class {
            "" => out += &shown,
            _ => _ = write!(out, "<span class=\"{class}\">{shown}</span>"),
        }
        if !matches!(token.kind, Kind::Blank | Kind::Newline) {
            last = Some(token.kind);
        }
    }
    out
}

/// A word of the language.
fn is_word(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        If | Then
            | Else
            | Match
            | For
            | In
            | As
            | Where
            | Secret
            | Out
            | With
            | By
            | From
            | Given
            | Mock
            | Dts
    ) || kind.begins_declaration() && kind != At
}
