//! The tree-sitter grammar agrees with dtm's own parser: on every `.dts` file of the repository and every program of the
//! suites, each node of the one tree has a node of the same extent in the other.

use dtm_lang::syntax::ast::{
    self, Decl, DeclKind, Element, Entry, Expr, ExprKind, StrPart, TypeExpr, TypeKind,
};
use dtm_lang::{Diagnostics, FileId, Span};
use dtm_tests::suite::sections;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tree_sitter::{Node, Parser, Query, QueryCursor, StreamingIterator};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

fn parser() -> Parser {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_dts::LANGUAGE.into())
        .expect("the runtime knows this version of the ABI");
    parser
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
        let name = entry.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if entry.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                files(&entry, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(entry);
        }
    }
}

/// Every program: where it stands, and its text.
fn programs() -> Vec<(String, String)> {
    let mut paths = vec![];
    files(&root(), ".dts", &mut paths);
    let read = |p: &Path| std::fs::read_to_string(p).expect("UTF-8");
    let mut all: Vec<(String, String)> = paths.iter().map(|p| (p.display().to_string(), read(p))).collect();
    let mut suites = vec![];
    files(&root().join("tests/spec"), ".md", &mut suites);
    for suite in suites {
        for section in sections(&read(&suite)) {
            let blocks = section.blocks.iter().filter(|b| b.kind == "dts");
            all.extend(blocks.map(|b| (format!("{}:{}", suite.display(), b.line), b.text.clone())));
        }
    }
    all
}

/// What our parser makes of a text; `None` when it reports an error of lexer or parser.
fn ours(text: &str) -> Option<Vec<Span>> {
    let mut diagnostics = Diagnostics::default();
    let module = dtm_lang::syntax::parse(FileId(0), text, &mut diagnostics);
    if diagnostics.iter().any(|d| d.code.id() < "E0200") {
        return None;
    }
    let mut spans = Spans::default();
    module.decls.iter().for_each(|d| spans.decl(d));
    Some(spans.0)
}

/// The extents of all nodes of tree-sitter's tree, and whether it has errors.
fn theirs(parser: &mut Parser, text: &str) -> (HashSet<(usize, usize)>, bool) {
    let tree = parser.parse(text, None).expect("a tree");
    let mut nodes = HashSet::new();
    let mut cursor = tree.walk();
    loop {
        let node: Node = cursor.node();
        nodes.insert((node.start_byte(), node.end_byte()));
        if cursor.goto_first_child() || cursor.goto_next_sibling() {
            continue;
        }
        loop {
            if !cursor.goto_parent() {
                return (nodes, tree.root_node().has_error());
            }
            if cursor.goto_next_sibling() {
                break;
            }
        }
    }
}

/// The extents of declarations, expressions and types.
#[derive(Default)]
struct Spans(Vec<Span>);

impl Spans {
    fn decl(&mut self, decl: &Decl) {
        self.0.push(decl.span);
        decl.annotations.iter().flat_map(|a| &a.args).for_each(|a| self.expr(&a.value));
        match &decl.kind {
            DeclKind::Settings(fields) | DeclKind::Plugins(fields) => {
                fields.iter().for_each(|f| self.field(f))
            }
            DeclKind::Configure { settings: e, .. }
            | DeclKind::Existing { keys: e, .. }
            | DeclKind::Given(e) => {
                self.expr(e);
            }
            DeclKind::Import(import) => import.ty.iter().for_each(|t| self.ty(t)),
            DeclKind::Param { ty, default, .. } => {
                self.ty(ty);
                default.iter().for_each(|e| self.expr(e));
            }
            DeclKind::Let { ty, value, .. } | DeclKind::Output { ty, value, .. } => {
                ty.iter().for_each(|t| self.ty(t));
                self.expr(value);
            }
            DeclKind::Type { ty, .. } => self.ty(ty),
            DeclKind::Fn { params, result, body, .. } => {
                params.iter().for_each(|f| self.field(f));
                self.ty(result);
                self.expr(body);
            }
            DeclKind::Tool(tool) => self.tool(tool),
            DeclKind::Component { body, .. }
            | DeclKind::Test { body, .. }
            | DeclKind::Kind { ports: body, .. } => {
                body.iter().for_each(|d| self.decl(d));
            }
            DeclKind::Assert { cond, .. } => self.expr(cond),
            DeclKind::Mock(a, b) => [a, b].into_iter().for_each(|e| self.expr(e)),
            DeclKind::Adopt(address, id) => {
                self.0.push(address.span);
                if let Some(id) = id {
                    self.expr(id);
                }
            }
            DeclKind::Moved(a, b) => self.0.extend([a.span, b.span]),
            DeclKind::Forget(address) => self.0.push(address.span),
            DeclKind::In(field) | DeclKind::Out(field) => {
                field.ty.iter().for_each(|t| self.ty(t));
                field.value.iter().for_each(|e| self.expr(e));
            }
            DeclKind::Edition(..) | DeclKind::Plugin(_) | DeclKind::Broken { .. } => {}
        }
    }

    fn tool(&mut self, tool: &ast::Tool) {
        self.0.push(tool.kind.span);
        if let Some(each) = &tool.each {
            self.expr(&each.iter);
            each.by.iter().for_each(|e| self.expr(e));
        }
        [&tool.cond, &tool.with].into_iter().flatten().for_each(|e| self.expr(e));
        self.expr(&tool.inputs);
    }

    fn field(&mut self, field: &ast::Field) {
        field.ty.iter().for_each(|t| self.ty(t));
        field.value.iter().for_each(|e| self.expr(e));
    }

    fn clause(&mut self, clause: &ast::Clause) {
        self.expr(&clause.iter);
        clause.filter.iter().for_each(|e| self.expr(e));
    }

    fn expr(&mut self, expr: &Expr) {
        self.0.push(expr.span);
        match &*expr.kind {
            ExprKind::Str(parts) => {
                for part in parts {
                    if let StrPart::Expr(e) = part {
                        self.expr(e);
                    }
                }
            }
            ExprKind::Member { base, .. } => self.expr(base),
            ExprKind::Index { base, index } => [base, index].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Call { callee, args } => {
                self.expr(callee);
                args.iter().for_each(|a| self.expr(&a.value));
            }
            ExprKind::Lambda { body, .. } => self.expr(body),
            ExprKind::Record(entries) => entries.iter().for_each(|e| match e {
                Entry::Field { value, .. } => value.iter().for_each(|e| self.expr(e)),
                Entry::Computed(k, v) => [k, v].into_iter().for_each(|e| self.expr(e)),
                Entry::Spread(e) => self.expr(e),
                Entry::Error(_) => {}
            }),
            ExprKind::Construct { record, .. } => self.expr(record),
            ExprKind::List(elements) => elements.iter().for_each(|e| match e {
                Element::One(e) | Element::Spread(e) => self.expr(e),
            }),
            ExprKind::ListComp { body, clause } => {
                self.expr(body);
                self.clause(clause);
            }
            ExprKind::MapComp { key, value, clause } => {
                [key, value].into_iter().for_each(|e| self.expr(e));
                self.clause(clause);
            }
            ExprKind::If { cond, then, other } => [cond, then, other].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Match { subject, arms } => {
                self.expr(subject);
                for (pattern, value) in arms {
                    self.ty(pattern);
                    self.expr(value);
                }
            }
            ExprKind::Unary(_, e) | ExprKind::Paren(e) => self.expr(e),
            ExprKind::Binary(_, a, b) => [a, b].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Cast(e, t) => {
                self.expr(e);
                self.ty(t);
            }
            ExprKind::Null
            | ExprKind::Bool(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Duration(_)
            | ExprKind::Size(_)
            | ExprKind::Name(_)
            | ExprKind::Error => {}
        }
    }

    fn ty(&mut self, ty: &TypeExpr) {
        self.0.push(ty.span);
        match &*ty.kind {
            TypeKind::Union(members) => members.iter().for_each(|t| self.ty(t)),
            TypeKind::Optional(t)
            | TypeKind::List(t)
            | TypeKind::Map(t)
            | TypeKind::Secret(t)
            | TypeKind::Paren(t) => self.ty(t),
            TypeKind::Record { fields, .. } => fields.iter().for_each(|f| self.field(f)),
            TypeKind::Where { base, cond, message } => {
                self.ty(base);
                self.expr(cond);
                message.iter().for_each(|e| self.expr(e));
            }
            TypeKind::Path(_)
            | TypeKind::Lit(_)
            | TypeKind::Tool(_)
            | TypeKind::Function
            | TypeKind::Wildcard
            | TypeKind::Error => {}
        }
    }
}

#[test]
fn both_parsers_see_the_same_trees() {
    let mut parser = parser();
    let (mut right, mut wrong, mut refused, mut nodes) = (0, 0, 0, 0);
    let mut differences = vec![];
    for (place, text) in programs() {
        let (found, has_error) = theirs(&mut parser, &text);
        let Some(spans) = ours(&text) else {
            wrong += 1;
            refused += usize::from(has_error);
            continue;
        };
        right += 1;
        nodes += spans.len();
        if has_error {
            differences.push(format!("{place}: tree-sitter sees an error"));
        }
        let missing = spans.iter().find(|s| !found.contains(&(s.start as usize, s.end as usize)));
        if let Some(s) = missing {
            differences.push(format!("{place}: no node for `{}`", &text[s.range()]));
        }
    }
    assert!(right > 500 && nodes > 10_000, "only {right} programs with {nodes} nodes were compared");
    assert!(differences.is_empty(), "{} of {right} programs:\n{}", differences.len(), differences.join("\n"));
    // It knows no rule beyond the grammar (how large a number is, where `if` may stand): it is milder, not blind.
    assert!(refused * 2 > wrong, "of {wrong} wrong programs it sees an error in {refused}");
}

#[test]
fn the_query_of_highlights_is_right() {
    let language = tree_sitter_dts::LANGUAGE.into();
    let query = Query::new(&language, tree_sitter_dts::HIGHLIGHTS).expect("a query of nodes that exist");
    let text = "dts 1\n\n// why\ntool a: core.File { path = \"a${b}\", content = sha256(c) }\n";
    let tree = parser().parse(text, None).expect("a tree");
    let mut cursor = QueryCursor::new();
    let mut captures = cursor.captures(&query, tree.root_node(), text.as_bytes());
    let mut found = vec![];
    while let Some((m, index)) = captures.next() {
        let capture = m.captures()[*index];
        found.push((query.capture_names()[capture.index as usize], &text[capture.node.byte_range()]));
    }
    for expected in [
        ("comment", "// why"),
        ("keyword", "tool"),
        ("variable", "a"),
        ("type", "core.File"),
        ("property", "path"),
        ("string", "\"a${b}\""),
        ("punctuation.special", "${"),
        ("function.call", "sha256"),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not among {found:?}");
    }
}
