//! Phases, checked statically: which tools there are, their keys and options, and the keys of maps must be known
//! when planning, whichever branch is taken.
//!
//! An abstract value says of each expression whether it is deferred, element by element, so that a list of outputs
//! still has a known length:
//!
//! ```text
//! [a.id, b.id]         Each(Deferred)      may be gone through
//! { x = a.id, y = 1 }  Fields(x: Deferred, y: Known)
//! a.tags               Deferred            may not
//! ```

use crate::builtin::{Higher, Taint};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::hir::{Clause, Expr, ExprKind as H, Hir, MapEntry};
use crate::index::{ComponentId, FunctionId, IdVec, LetId, Slot, ToolId};
use crate::maps::{HashMap, HashSet, IndexMap};
use crate::source::{Sources, Span, Symbol};
use crate::syntax::ast::BinaryOp;
use crate::value::Data;
use std::rc::Rc;

/// What is known of a value before anything runs. A part is kept only of what is not known as a whole.
#[derive(Clone, Debug)]
enum Phase {
    Known,
    /// Known after apply; the output that makes it so.
    Deferred(Span),
    /// A record or map with these fields.
    Fields(IndexMap<Symbol, Phase>),
    /// A list or map of known length, with such elements.
    Each(Box<Phase>),
}

impl Phase {
    /// The output that makes it, or anything inside it, deferred.
    fn inside(&self) -> Option<Span> {
        match self {
            Phase::Known => None,
            Phase::Deferred(at) => Some(*at),
            Phase::Fields(fields) => fields.values().find_map(Phase::inside),
            Phase::Each(element) => element.inside(),
        }
    }
    fn element(&self) -> Phase {
        match self {
            Phase::Fields(fields) => fields.values().cloned().reduce(Phase::join).unwrap_or(Phase::Known),
            Phase::Each(element) => (**element).clone(),
            other @ (Phase::Known | Phase::Deferred(_)) => other.clone(),
        }
    }
    fn join(self, other: Phase) -> Phase {
        match (self, other) {
            (Phase::Deferred(at), _) | (_, Phase::Deferred(at)) => Phase::Deferred(at),
            // Of whatever shape the known one is: the parts of the other one say all that is not known.
            (Phase::Known, other) | (other, Phase::Known) => other,
            (Phase::Fields(mut a), Phase::Fields(b)) if a.keys().eq(b.keys()) => {
                for (name, phase) in b {
                    if let Some(mine) = a.get_mut(&name) {
                        *mine = mine.clone().join(phase);
                    }
                }
                Phase::Fields(a)
            }
            (a, b) => Phase::each(a.element().join(b.element())),
        }
    }
    fn each(element: Phase) -> Phase {
        if let Phase::Known = element { element } else { Phase::Each(Box::new(element)) }
    }
    fn fields(fields: IndexMap<Symbol, Phase>) -> Phase {
        if fields.values().all(|p| matches!(p, Phase::Known)) { Phase::Known } else { Phase::Fields(fields) }
    }
    fn of(at: Option<Span>) -> Phase {
        at.map_or(Phase::Known, Phase::Deferred)
    }
}

/// A body of a component with `in`s of these phases.
#[derive(Default)]
struct Frame {
    ins: Vec<Phase>,
    lets: HashMap<LetId, Phase>,
    inputs: HashMap<(ToolId, usize), Phase>,
}

struct Phases<'h> {
    hir: &'h Hir,
    sources: &'h Sources,
    diags: Diagnostics,
    lets: IdVec<LetId, Option<Phase>>,
    inputs: HashMap<(ToolId, usize), Phase>,
    locals: HashMap<Slot, Phase>,
    depth: usize,
    /// Calls of functions: which, and the phases of the arguments.
    calls: HashMap<(FunctionId, String), Phase>,
    /// Components: which, and the phases of the `in`s; the phases of the `out`s.
    components: HashMap<(ComponentId, String), Rc<IndexMap<Symbol, Phase>>>,
    /// The component whose body is being looked at.
    frame: Frame,
    /// Arguments of components that are deferred: what is wrong for their sake is reported there.
    args: HashSet<Span>,
    /// What has been refused: where, and for the sake of which output.
    told: HashSet<(Span, Span)>,
    /// For an editor: whether each expression is deferred.
    seen: Option<Vec<(Span, bool)>>,
}

/// Everything deferred that decides structure.
pub(super) fn phases(hir: &Hir, sources: &Sources, seen: &mut Option<Vec<(Span, bool)>>) -> Diagnostics {
    let mut checked = Phases {
        hir,
        sources,
        diags: Diagnostics::default(),
        lets: hir.lets.iter().map(|_| None).collect(),
        inputs: HashMap::default(),
        locals: HashMap::default(),
        depth: 0,
        calls: HashMap::default(),
        components: HashMap::default(),
        frame: Frame::default(),
        args: HashSet::default(),
        told: HashSet::default(),
        seen: seen.take(),
    };
    for id in hir.lets.ids().filter(|id| hir.lets[*id].home.is_none()) {
        checked.let_phase(id);
    }
    // What is wrong whatever comes in is found first, and in what nobody uses as well.
    for id in hir.components.ids() {
        checked.component(id, vec![]);
    }
    for id in hir.tools.ids().filter(|id| hir.tools[*id].home.is_none()) {
        checked.tool(id);
    }
    for output in &hir.outputs {
        checked.phase(&output.expr);
    }
    for assert in hir.asserts.iter().filter(|a| a.home.is_none()) {
        checked.phase(&assert.cond);
    }
    for refinement in &hir.refinements {
        checked.known(&refinement.cond, "the condition of a type");
    }
    for (name, expr) in &hir.settings {
        checked.known(expr, &format!("the setting `{name}`"));
    }
    *seen = checked.seen;
    checked.diags
}

impl Phases<'_> {
    /// Refuses a deferred value where structure is decided.
    fn known(&mut self, expr: &Expr, what: &str) {
        let phase = self.phase(expr);
        self.refuse(expr.span, phase.inside(), what);
    }

    fn refuse(&mut self, span: Span, origin: Option<Span>, what: &str) {
        let Some(origin) = origin.filter(|origin| self.told.insert((span, *origin))) else { return };
        let diagnostic = Diagnostic::new(Code::E0308, format!("{what} must be known when planning"));
        let diagnostic =
            diagnostic.note("a value that is known only after apply cannot decide which tools exist");
        if self.args.contains(&origin) {
            let diagnostic = diagnostic.at(origin, "known after apply, and passed to a component");
            return self.diags.push(diagnostic.also(span, "decided here, inside of it"));
        }
        let diagnostic = diagnostic.at(span, "decided here");
        let text = self.sources.text(origin);
        self.diags.push(if origin == span {
            diagnostic
        } else {
            diagnostic.also(origin, format!("`{text}` is known after apply"))
        });
    }

    fn tool(&mut self, id: ToolId) {
        let hir = self.hir;
        let tool = &hir.tools[id];
        self.locals.clear();
        if let Some(each) = &tool.each {
            let iter = self.phase(&each.iter);
            if let Phase::Deferred(at) = iter {
                self.refuse(each.iter.span, Some(at), "which tools there are");
            }
            self.bind(&each.vars, &iter);
            match &each.by {
                _ if matches!(iter, Phase::Deferred(_)) => {}
                Some(by) => self.known(by, "the key of a tool"),
                // The strings are the keys.
                None if each.vars.len() == 1 => {
                    self.refuse(each.iter.span, iter.inside(), "the key of a tool")
                }
                None => {}
            }
        }
        if let Some(cond) = &tool.cond {
            self.known(cond, "whether a tool exists");
        }
        let with = tool.with();
        for (option, name) in [
            (&with.protect, "protect"),
            (&with.timeout, "timeout"),
            (&with.retries, "retries"),
            (&with.read, "read"),
        ] {
            if let Some(e) = option {
                self.known(e, &format!("the option `{name}`"));
            }
        }
        let ins: Vec<Phase> = tool.inputs.values().map(|input| self.phase(input)).collect();
        if let Some(component) = tool.component {
            self.given(component, id, ins);
        }
    }

    /// An instance of a component: its body, with these `in`s.
    fn given(
        &mut self,
        component: ComponentId,
        tool: ToolId,
        ins: Vec<Phase>,
    ) -> Rc<IndexMap<Symbol, Phase>> {
        let hir = self.hir;
        let at = hir.tools[tool].inputs.values().map(|e| e.span);
        let ins = ins.into_iter().zip(at).map(|(phase, at)| phase.given_at(at, &mut self.args)).collect();
        self.component(component, ins)
    }

    /// The phases of the `out`s of a component whose `in`s have these. What was found out once is kept.
    fn component(&mut self, id: ComponentId, ins: Vec<Phase>) -> Rc<IndexMap<Symbol, Phase>> {
        let ins = if ins.iter().all(|p| p.inside().is_none()) { vec![] } else { ins };
        let key = (id, format!("{ins:?}"));
        if let Some(known) = self.components.get(&key) {
            return known.clone();
        }
        let hir = self.hir;
        let component = &hir.components[id];
        let frame = std::mem::replace(&mut self.frame, Frame { ins, ..Frame::default() });
        let locals = std::mem::take(&mut self.locals);
        let outs: IndexMap<Symbol, Phase> = stacker::maybe_grow(64 << 10, 1 << 20, || {
            component.lets.iter().for_each(|id| _ = self.let_phase(*id));
            component.tools.iter().for_each(|id| self.tool(*id));
            component.asserts.iter().for_each(|id| _ = self.phase(&hir.asserts[*id].cond));
            component.outs.iter().map(|(name, e)| (name.clone(), self.phase(e))).collect()
        });
        self.frame = frame;
        self.locals = locals;
        let outs = Rc::new(outs);
        self.components.insert(key, outs.clone());
        outs
    }

    fn bind(&mut self, vars: &[Slot], iter: &Phase) {
        let element = iter.element();
        match vars {
            [one] => _ = self.locals.insert(*one, element),
            [a, b] => {
                let first = if let Phase::Deferred(at) = iter { Phase::Deferred(*at) } else { Phase::Known };
                self.locals.insert(*a, first);
                self.locals.insert(*b, element);
            }
            _ => {}
        }
    }

    fn let_phase(&mut self, id: LetId) -> Phase {
        let hir = self.hir;
        let inside = hir.lets[id].home.is_some();
        let known = if inside { self.frame.lets.get(&id) } else { self.lets[id].as_ref() };
        if let Some(phase) = known {
            return phase.clone();
        }
        let keep = |p: &mut Self, phase| match inside {
            true => _ = p.frame.lets.insert(id, phase),
            false => p.lets[id] = Some(phase),
        };
        // Meeting it again is a cycle, which evaluation reports.
        keep(self, Phase::Known);
        let locals = std::mem::take(&mut self.locals);
        let phase = self.phase(&hir.lets[id].expr);
        self.locals = locals;
        keep(self, phase.clone());
        phase
    }

    /// The phase of an input of a tool, read as `tool.input`, or of a port of a component.
    fn input(&mut self, base: &Expr, name: &Symbol) -> Phase {
        let family = if let H::Index { base, .. } = &*base.kind { base } else { base };
        let H::Tool(tool) = *family.kind else { return Phase::Known };
        let hir = self.hir;
        if let Some(component) = hir.tools[tool].component
            && hir.tools[tool].kind.outputs.contains_key(name)
        {
            let ins = (0..hir.tools[tool].inputs.len()).map(|at| self.input_at(tool, at)).collect();
            let outs = self.given(component, tool, ins);
            return outs.get(name).cloned().unwrap_or(Phase::Known);
        }
        match hir.tools[tool].inputs.get_index_of(name) {
            Some(at) => self.input_at(tool, at),
            None => Phase::Known,
        }
    }

    fn input_at(&mut self, tool: ToolId, at: usize) -> Phase {
        let hir = self.hir;
        let inside = hir.tools[tool].home.is_some();
        let known = if inside { &self.frame.inputs } else { &self.inputs };
        if let Some(phase) = known.get(&(tool, at)) {
            return phase.clone();
        }
        let keep = |p: &mut Self, phase| match inside {
            true => p.frame.inputs.insert((tool, at), phase),
            false => p.inputs.insert((tool, at), phase),
        };
        keep(self, Phase::Known);
        let locals = std::mem::take(&mut self.locals);
        if let Some(each) = &hir.tools[tool].each {
            let iter = self.phase(&each.iter);
            self.bind(&each.vars, &iter);
        }
        let phase = self.phase(&hir.tools[tool].inputs[at]);
        self.locals = locals;
        keep(self, phase.clone());
        phase
    }

    fn all<'e>(&mut self, parts: impl IntoIterator<Item = &'e Expr>) -> Phase {
        // All are gone through, for what is said of them.
        Phase::of(parts.into_iter().fold(None, |first, e| first.or(self.phase(e).inside())))
    }

    fn phase(&mut self, expr: &Expr) -> Phase {
        // What needs itself is found by evaluation.
        if self.depth > crate::budget::NESTED {
            return Phase::Known;
        }
        self.depth += 1;
        let phase = stacker::maybe_grow(64 << 10, 1 << 20, || self.phase_here(expr));
        self.depth -= 1;
        if let Some(seen) = &mut self.seen {
            seen.push((expr.span, phase.inside().is_some()));
        }
        phase
    }

    fn phase_here(&mut self, expr: &Expr) -> Phase {
        match &*expr.kind {
            H::Plan | H::Order(..) => Phase::Known,
            H::Error | H::Const(_) | H::Param(_) | H::Data(_) | H::Tool(_) => Phase::Known,
            H::Local(slot) => self.locals.get(slot).cloned().unwrap_or(Phase::Known),
            H::Let(id) => self.let_phase(*id),
            H::In(at) => self.frame.ins.get(*at).cloned().unwrap_or(Phase::Known),
            H::Default(id) => {
                let hir = self.hir;
                self.phase(&hir.defaults[*id])
            }
            H::Port { base, output: true, .. } => {
                self.phase(base);
                Phase::Deferred(expr.span)
            }
            H::Port { base, name, output: false, .. } => {
                let phase = self.phase(base);
                let input = self.input(base, name);
                if let Phase::Deferred(_) = phase { phase } else { input }
            }
            H::Field { base, name, .. } => match self.phase(base) {
                Phase::Fields(fields) => fields.get(name).cloned().unwrap_or(Phase::Known),
                other @ (Phase::Known | Phase::Deferred(_) | Phase::Each(_)) => other.element(),
            },
            H::Index { base, index, .. } => {
                let (phase, key) = (self.phase(base), self.phase(index));
                let element = match (&phase, &*index.kind) {
                    (Phase::Fields(fields), H::Const(v)) => match &v.data {
                        Data::String(name) => fields.get(name).cloned().unwrap_or(Phase::Known),
                        Data::Null
                        | Data::Bool(_)
                        | Data::Int(_)
                        | Data::Float(_)
                        | Data::Duration(_)
                        | Data::Size(_)
                        | Data::List(_)
                        | Data::Map(_)
                        | Data::Tool(_)
                        | Data::Component(_)
                        | Data::Unknown(_)
                        | Data::Error => phase.element(),
                    },
                    _ => phase.element(),
                };
                Phase::of(key.inside()).join_choice(element)
            }
            H::Record(fields) => {
                let mut out = IndexMap::default();
                for (at, (name, expr)) in fields.iter().enumerate() {
                    match self.phase(expr) {
                        Phase::Known if out.is_empty() => {}
                        phase @ (Phase::Known | Phase::Deferred(_) | Phase::Fields(_) | Phase::Each(_)) => {
                            if out.is_empty() {
                                out.extend(fields[..at].iter().map(|(n, _)| (n.clone(), Phase::Known)));
                            }
                            out.insert(name.clone(), phase);
                        }
                    }
                }
                Phase::fields(out)
            }
            H::Map(entries) => self.map(entries),
            H::List(items) => {
                let mut element: Option<Phase> = None;
                for (item, spread) in items {
                    let phase = self.phase(item);
                    if let (Phase::Deferred(at), true) = (&phase, spread) {
                        return Phase::Deferred(*at);
                    }
                    let phase = if *spread { phase.element() } else { phase };
                    element = Some(match element {
                        Some(before) => before.join(phase),
                        None => phase,
                    });
                }
                Phase::each(element.unwrap_or(Phase::Known))
            }
            H::ListComp { body, clause } => self.comprehension(clause, |p| p.phase(body)),
            H::MapComp { key, value, clause } => self.comprehension(clause, |p| {
                p.known(key, "a key");
                p.phase(value)
            }),
            H::If(choice) => {
                let cond = Phase::of(self.phase(&choice.cond).inside());
                let both = self.phase(&choice.then).join(self.phase(&choice.other));
                cond.join_choice(both)
            }
            H::Match { subject, arms } => {
                let subject = Phase::of(self.phase(subject).inside());
                let arms: Vec<Phase> = arms.iter().map(|(_, value)| self.phase(value)).collect();
                subject.join_choice(arms.into_iter().reduce(Phase::join).unwrap_or(Phase::Known))
            }
            H::Coalesce(a, b) => {
                let (a, b) = (self.phase(a), self.phase(b));
                a.join(b)
            }
            // Which keys a map has is known before what they stand for.
            H::Binary(BinaryOp::In, a, b) => {
                let (of, among) = (self.phase(a).inside(), self.phase(b));
                Phase::of(if let Phase::Fields(_) = among { of } else { of.or_else(|| among.inside()) })
            }
            H::And(a, b) | H::Or(a, b) | H::Binary(_, a, b) => self.all([a, b]),
            H::Not(a) | H::Neg(a) => self.all([a]),
            H::Interp(parts) => self.all(parts),
            H::Call(builtin, args) => {
                let phases: Vec<Phase> = args.iter().map(|a| self.phase(a)).collect();
                let whole =
                    phases.iter().find_map(|p| if let Phase::Deferred(at) = p { Some(*at) } else { None });
                match (builtin.taint, whole) {
                    (_, Some(at)) => Phase::Deferred(at),
                    (Taint::Shape, None) => Phase::Known,
                    (Taint::Structure, None) => {
                        let element =
                            phases.iter().map(Phase::element).reduce(Phase::join).unwrap_or(Phase::Known);
                        if builtin.name == "get" { element } else { Phase::each(element) }
                    }
                    (Taint::Deep, None) => Phase::of(phases.iter().find_map(Phase::inside)),
                }
            }
            H::Higher { what, items, slot, body } => {
                let items = self.phase(items);
                self.bind(&[*slot], &items);
                match (&items, self.phase(body).inside()) {
                    (Phase::Deferred(at), _) => Phase::Deferred(*at),
                    (_, Some(at)) => Phase::Deferred(at),
                    _ if *what == Higher::Find => items.element(),
                    _ => Phase::each(items.element()),
                }
            }
            H::CallFn(id, args) => {
                let phases: Vec<Phase> = args.iter().map(|a| self.phase(a)).collect();
                self.function(*id, phases)
            }
            H::Convert(inner, _) | H::Cast(inner, _) => self.phase(inner),
        }
    }

    /// The body of a function with arguments of these phases. What was found out once is kept: functions call functions.
    fn function(&mut self, id: FunctionId, args: Vec<Phase>) -> Phase {
        let key = (id, format!("{args:?}"));
        if let Some(phase) = self.calls.get(&key) {
            return phase.clone();
        }
        let hir = self.hir;
        let function = &hir.fns[id];
        let locals = function.params.iter().copied().zip(args).collect();
        let locals = std::mem::replace(&mut self.locals, locals);
        let phase = self.phase(&function.body);
        self.locals = locals;
        self.calls.insert(key, phase.clone());
        phase
    }

    fn map(&mut self, entries: &[MapEntry]) -> Phase {
        let mut fields = IndexMap::default();
        let mut open: Option<Phase> = None;
        for entry in entries {
            match entry {
                MapEntry::Entry(key, value) => {
                    self.known(key, "a key");
                    let phase = self.phase(value);
                    if let H::Const(value) = &*key.kind
                        && let Some(name) = value.as_str()
                    {
                        fields.insert(name.clone(), phase);
                    } else {
                        open = Some(open.map_or(phase.clone(), |open| open.join(phase)));
                    }
                }
                MapEntry::Spread(base) => match self.phase(base) {
                    Phase::Deferred(at) => return Phase::Deferred(at),
                    Phase::Fields(more) => fields.extend(more),
                    other @ (Phase::Known | Phase::Each(_)) => {
                        open = Some(open.map_or(other.element(), |o| o.join(other.element())))
                    }
                },
            }
        }
        match open {
            None => Phase::fields(fields),
            Some(open) => Phase::each(fields.into_values().fold(open, Phase::join)),
        }
    }

    fn comprehension(&mut self, clause: &Clause, body: impl FnOnce(&mut Self) -> Phase) -> Phase {
        let iter = self.phase(&clause.iter);
        self.bind(&clause.vars, &iter);
        let filter = clause.filter.as_ref().and_then(|f| self.phase(f).inside());
        let element = body(self);
        match (iter, filter) {
            (Phase::Deferred(at), _) | (_, Some(at)) => Phase::Deferred(at),
            _ => Phase::each(element),
        }
    }
}

impl Phase {
    /// As an argument of a component sees it: what is deferred is so because of the argument, or of one further out.
    fn given_at(self, at: Span, args: &mut HashSet<Span>) -> Phase {
        match self {
            Phase::Known => Phase::Known,
            Phase::Deferred(origin) if args.contains(&origin) => Phase::Deferred(origin),
            Phase::Deferred(_) => {
                args.insert(at);
                Phase::Deferred(at)
            }
            Phase::Fields(fields) => {
                Phase::Fields(fields.into_iter().map(|(n, p)| (n, p.given_at(at, args))).collect())
            }
            Phase::Each(element) => Phase::Each(Box::new(element.given_at(at, args))),
        }
    }
    /// A value that this one chooses: deferred as a whole where the choice is.
    fn join_choice(self, chosen: Phase) -> Phase {
        if let Phase::Deferred(_) = self { self } else { chosen }
    }
}
