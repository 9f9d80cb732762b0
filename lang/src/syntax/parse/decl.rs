//! Declarations, one alternative each.

use super::error::ParseError;
use super::expr::{Exprs, exprs};
use super::types::field;
use super::{P, Source, separated, skip_item};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::*;
use crate::syntax::token::Kind;
use chumsky::prelude::*;

pub(super) struct Grammar<'t> {
    pub(super) decl: P<'t, Decl>,
    pub(super) expr: P<'t, Expr>,
}

pub(super) fn grammar<'t>(src: Source<'t>) -> Grammar<'t> {
    let exprs = exprs(src);
    let expr = exprs.full.clone();
    let decl = recursive(|decl| declaration(src, exprs, decl.boxed()));
    Grammar { decl: decl.boxed(), expr }
}

/// A declaration, made with itself: some hold others.
fn declaration<'t>(src: Source<'t>, exprs: Exprs<'t>, decl: P<'t, Decl>) -> P<'t, Decl> {
    let Exprs { full, header, record, string, args, types } = exprs;
    let ty = types.full;
    let typed = just(Kind::Colon).ignore_then(ty.clone()).or_not().boxed();
    let value = just(Kind::Eq).ignore_then(full.clone()).boxed();
    let body =
        |item: P<'t, Decl>| separated(item).delimited_by(just(Kind::LBrace), just(Kind::RBrace)).boxed();

    let edition = just(Kind::Dts)
        .ignore_then(just(Kind::Number).map_with(|_, x| x.span()))
        .map(move |span: Span| DeclKind::Edition(span, src.text(span).into()));
    let settings = just(Kind::Settings)
        .ignore_then(settings_body(src, &full, &record, &ty, &args))
        .map(DeclKind::Settings);
    let plugins = just(Kind::Plugins)
        .ignore_then(settings_body(src, &full, &record, &ty, &args))
        .map(DeclKind::Plugins);
    let configure = just(Kind::Configure)
        .ignore_then(src.name())
        .then(just(Kind::As).ignore_then(src.name()).or_not())
        .then(record.clone())
        .map(|((plugin, name), settings)| DeclKind::Configure { plugin, name, settings });
    let param = just(Kind::Param)
        .ignore_then(src.name())
        .then(just(Kind::Colon).ignore_then(ty.clone()))
        .then(value.clone().or_not())
        .map(|((name, ty), default)| DeclKind::Param { name, ty, default });
    let let_ = just(Kind::Let)
        .ignore_then(src.name())
        .then(typed.clone())
        .then(value.clone())
        .map(|((name, ty), value)| DeclKind::Let { name, ty, value });
    let type_ = just(Kind::Type)
        .ignore_then(src.name())
        .then_ignore(just(Kind::Eq))
        .then(ty.clone())
        .map(|(name, ty)| DeclKind::Type { name, ty });
    let params = field(src, ty.clone(), full.clone())
        .separated_by(just(Kind::Comma))
        .allow_trailing()
        .collect()
        .delimited_by(just(Kind::LParen), just(Kind::RParen));
    let fn_ = just(Kind::Fn)
        .ignore_then(src.name())
        .then(params)
        .then_ignore(just(Kind::ThinArrow))
        .then(ty.clone())
        .then(value.clone())
        .map(|(((name, params), result), body)| DeclKind::Fn { name, params, result, body });
    let tool = tool(src, &full, &header, &record);
    let component = just(Kind::Component)
        .ignore_then(src.name())
        .then(body(decl.clone().boxed()))
        .map(|(name, body)| DeclKind::Component { name, body });
    let existing = just(Kind::Existing)
        .ignore_then(src.name())
        .then_ignore(just(Kind::Colon))
        .then(src.path())
        .then(record)
        .map(|((name, kind), keys)| DeclKind::Existing { name, kind, keys });
    let output = just(Kind::Output)
        .ignore_then(src.name())
        .then(typed.clone())
        .then(value.clone())
        .map(|((name, ty), value)| DeclKind::Output { name, ty, value });
    let assert = just(Kind::Assert)
        .ignore_then(full.clone())
        .then(just(Kind::Comma).ignore_then(full.clone()).or_not())
        .map_with(|(cond, message), x| {
            let span: Span = x.span();
            let none = Expr { span: span.after(), kind: Box::new(ExprKind::Null) };
            DeclKind::Assert { cond, message: message.unwrap_or(none) }
        });
    let test = just(Kind::Test)
        .ignore_then(string.clone())
        .then(body(decl.clone().boxed()))
        .map(|(name, body)| DeclKind::Test { name, body });
    let given = just(Kind::Given).ignore_then(full.clone()).map(DeclKind::Given);
    let mock =
        just(Kind::Mock).ignore_then(full.clone()).then(value.clone()).map(|(a, b)| DeclKind::Mock(a, b));
    let address = address(src, &string);
    let moved = just(Kind::Moved)
        .ignore_then(address.clone())
        .then_ignore(just(Kind::ThinArrow))
        .then(address.clone())
        .map(|(a, b)| DeclKind::Moved(a, b));
    let forget = just(Kind::Forget).ignore_then(address.clone()).map(DeclKind::Forget);
    let adopt = just(Kind::Adopt)
        .ignore_then(address)
        .then(value.clone().or_not())
        .map(|(a, id)| DeclKind::Adopt(a, id));
    let plugin = just(Kind::Plugin).ignore_then(src.name()).map(DeclKind::Plugin);
    let kind = just(Kind::KindWord)
        .ignore_then(src.name())
        .then(body(decl.clone().boxed()))
        .map(|(name, ports)| DeclKind::Kind { name, ports });
    let port = src.any_name().then(typed).then(value.or_not()).map_with(move |((name, ty), value), x| {
        let span: Span = x.span();
        Field { doc: None, annotations: vec![], name, ty, value, span }
    });
    let port = port.boxed();
    let in_ = just(Kind::In).ignore_then(port.clone()).map(DeclKind::In);
    // `out @stable name: string` is allowed as well: the annotation belongs to the output.
    let inner = annotation(src, args.clone()).repeated().collect::<Vec<_>>();
    let out = just(Kind::Out).ignore_then(inner).then(port).map(|(a, p)| (a, DeclKind::Out(p)));

    let plain = choice((
        choice((let_, param, type_, fn_, edition, settings, plugins, configure, import(src, &ty))).boxed(),
        choice((tool, component, existing, output, assert, test, given, mock)).boxed(),
        choice((moved, forget, adopt, plugin, kind, in_)).boxed(),
    ))
    .map(|kind| (vec![], kind));
    let annotations =
        annotation(src, args).then_ignore(just(Kind::Newline).repeated()).repeated().collect::<Vec<_>>();
    annotations
        .then(choice((plain, out)).labelled("a declaration"))
        .map_with(move |(mut annotations, (more, kind)): (Vec<_>, (Vec<_>, _)), x| {
            annotations.extend(more);
            let span: Span = x.span();
            Decl { span, doc: src.doc(span.start), annotations, kind }
        })
        .boxed()
}

fn annotation<'t>(src: Source<'t>, args: P<'t, Vec<Arg>>) -> P<'t, Annotation> {
    just(Kind::At)
        .ignore_then(src.name())
        .then(args.or_not())
        .map_with(|(name, args), x| Annotation { name, args: args.unwrap_or_default(), span: x.span() })
        .boxed()
}

fn settings_body<'t>(
    src: Source<'t>,
    full: &P<'t, Expr>,
    record: &P<'t, Expr>,
    ty: &P<'t, TypeExpr>,
    args: &P<'t, Vec<Arg>>,
) -> P<'t, Vec<Field>> {
    let construct = src.name().then(record.clone()).map_with(|(name, record), x| Expr {
        span: x.span(),
        kind: Box::new(ExprKind::Construct { name, record }),
    });
    let value = choice((construct, full.clone())).boxed();
    let set = src.any_name().then_ignore(just(Kind::Eq)).then(value).map_with(move |(name, value), x| {
        let span: Span = x.span();
        Field { doc: src.doc(span.start), annotations: vec![], name, ty: None, value: Some(value), span }
    });
    let notes = annotation(src, args.clone())
        .then_ignore(just(Kind::Newline).repeated())
        .repeated()
        .collect::<Vec<_>>();
    let item = notes
        .then(choice((set, field(src, ty.clone(), full.clone()))))
        .map(|(annotations, field)| Some(Field { annotations, ..field }))
        .recover_with(via_parser(skip_item().map(|()| None)))
        .boxed();
    separated(item)
        .map(|fields: Vec<Option<Field>>| fields.into_iter().flatten().collect())
        .delimited_by(just(Kind::LBrace), just(Kind::RBrace))
        .boxed()
}

fn tool<'t>(
    src: Source<'t>,
    full: &P<'t, Expr>,
    header: &P<'t, Expr>,
    record: &P<'t, Expr>,
) -> P<'t, DeclKind> {
    let each = src
        .name()
        .separated_by(just(Kind::Comma))
        .at_least(1)
        .at_most(2)
        .collect::<Vec<_>>()
        .then_ignore(just(Kind::In))
        .then(header.clone())
        .then(just(Kind::By).ignore_then(full.clone()).or_not())
        .delimited_by(just(Kind::LBracket), just(Kind::RBracket))
        .map(|((vars, iter), by)| Each { vars, iter, by });
    let cond = just(Kind::If).ignore_then(header.clone()).or_not();
    let with = just(Kind::With).ignore_then(record.clone()).or_not();
    just(Kind::Tool)
        .ignore_then(src.name())
        .then(each.or_not())
        .then_ignore(just(Kind::Colon))
        .then(src.path())
        .then(cond)
        .then(record.clone())
        .then(with)
        .map(|(((((name, each), kind), cond), inputs), with)| {
            DeclKind::Tool(Box::new(Tool { name, each, kind, cond, inputs, with }))
        })
        .boxed()
}

fn import<'t>(src: Source<'t>, ty: &P<'t, TypeExpr>) -> P<'t, DeclKind> {
    let path = just(Kind::StrStart)
        .ignore_then(just(Kind::StrText).map_with(|_, x| x.span()).or_not())
        .then_ignore(just(Kind::StrEnd).or_not())
        .map_with(|text: Option<Span>, x| (text, x.span()))
        .validate(move |(text, span): (Option<Span>, Span), _, emitter| {
            if text.is_none() {
                let d = Diagnostic::new(Code::E0206, "an import needs a path").at(span, "the path is empty");
                emitter.emit(ParseError::custom(span, d));
            }
            (text.map_or("".into(), |t| src.text(t).into()), span)
        });
    let names = separated(src.name())
        .delimited_by(just(Kind::LBrace), just(Kind::RBrace))
        .then_ignore(just(Kind::From));
    just(Kind::Import)
        .ignore_then(names.or_not())
        .then(path)
        .then(just(Kind::As).ignore_then(src.name()).or_not())
        .then(just(Kind::Colon).ignore_then(ty.clone()).or_not())
        .map(|(((names, (path, path_span)), name), ty)| {
            DeclKind::Import(Import { path, path_span, name, ty, names })
        })
        .boxed()
}

fn address<'t>(src: Source<'t>, string: &P<'t, Expr>) -> P<'t, Address> {
    let key = string.clone().delimited_by(just(Kind::LBracket), just(Kind::RBracket));
    src.name()
        .then(key.or_not())
        .separated_by(just(Kind::Slash))
        .at_least(1)
        .collect::<Vec<_>>()
        .validate(move |parts, x, emitter| {
            let mut texts: Vec<String> = vec![];
            for (name, key) in parts {
                let Some(key): Option<Expr> = key else {
                    let name: Name = name;
                    texts.push(name.text.to_string());
                    continue;
                };
                let ExprKind::Str(pieces) = &*key.kind else { continue };
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        StrPart::Text(t) => text += t,
                        StrPart::Expr(e) => {
                            let d = Diagnostic::new(Code::E0101, "the key in an address is written out");
                            emitter.emit(ParseError::custom(e.span, d.at(e.span, "not a literal")));
                        }
                    }
                }
                texts.push(format!("{}[{}]", name.text, crate::text::quote(&text)));
            }
            Address { text: texts.join("/").into(), span: x.span() }
        })
        .boxed()
}
