//! Trackers of issues, and DevLake.

use super::{Entry, ExprKind, Mapping, Output, elements, expr, get, literal, record, same};
use crate::build::{field, list, name};
use dtm_lang::syntax::ast::{Expr, Name};

/// jira, and jira-github-integ before it.
pub(super) fn jira(mapping: &mut Mapping<'_>) {
    mapping.in_repo(mapping.below(&["scm"]));
    mapping.moves(&[
        ("jira.baseURL", "server"),
        ("jira.userEmail", "email"),
        ("jira.projectKey", "project"),
        ("jira.token", "jira_token"),
        ("jiraBaseUrl", "server"),
        ("jiraUserEmail", "email"),
        ("jiraProjectKey", "project"),
    ]);
}

/// trello without a repository: a board.
pub(super) fn board(mapping: &mut Mapping<'_>) {
    mapping.moves(&[
        ("kanbanBoardName|name", "name"),
        ("board.name", "name"),
        ("board.description", "description"),
        ("board.apiKey", "api_key"),
        ("board.token", "api_token"),
    ]);
    // It was asked for, and nothing was done with it.
    for unused in ["owner", "org", "repo", "branch"] {
        mapping.option(unused);
    }
    let out = [
        ("boardId", "board_id"),
        ("todoListId", "todo_list_id"),
        ("doingListId", "doing_list_id"),
        ("doneListId", "done_list_id"),
    ];
    mapping.outputs.extend(out.map(|(old, new)| (old, Output::Out(new))));
}

/// trello with a repository, and trello-github-integ.
pub(super) fn trello(mapping: &mut Mapping<'_>) {
    mapping.in_repo(mapping.below(&["scm"]));
    mapping.moves(&[
        ("board.name", "name"),
        ("board.description", "description"),
        ("board.apiKey", "api_key"),
        ("board.token", "api_token"),
        ("boardId", "board_id"),
        ("todoListId", "todo_list_id"),
        ("doingListId", "doing_list_id"),
        ("doneListId", "done_list_id"),
    ]);
    let out = [
        ("boardId", "board"),
        ("todoListId", "todo_list"),
        ("doingListId", "doing_list"),
        ("doneListId", "done_list"),
    ];
    mapping.outputs.extend(out.map(|(old, new)| (old, Output::Out(new))));
}

/// devlake-config: a list of plugins with their connections.
pub(super) fn devlake(mapping: &mut Mapping<'_>) {
    mapping.moves(&[("devlakeAddr", "server")]);
    let Some(plugins) = mapping.option("plugins") else { return };
    let mut entries = vec![];
    for plugin in elements(&plugins) {
        let (Some(of), Some(connections)) = (get(&plugin, "name"), get(&plugin, "connections")) else {
            continue;
        };
        let connections = list(connections.span, elements(connections).iter().map(connection));
        entries.push(match literal(of) {
            Some(plain) => field(name(of.span, plain), connections),
            None => Entry::Computed(of.clone(), connections),
        });
    }
    mapping.set("connections", expr(plugins.span, ExprKind::Record(entries)));
}

/// A connection; what lets DevLake in was once beside the rest.
fn connection(given: &Expr) -> Expr {
    const AUTH: [&str; 5] = ["username", "password", "token", "app_id", "secret_key"];
    let ExprKind::Record(entries) = &*given.kind else { return given.clone() };
    let (mut fields, mut auth) = (vec![], vec![]);
    for entry in entries {
        let Entry::Field { name, value: Some(value), .. } = entry else { continue };
        let known = |wanted: &&&str| same(&name.text, wanted);
        if same(&name.text, "auth") {
            let given = if let ExprKind::Record(entries) = &*value.kind { entries.clone() } else { vec![] };
            auth.extend(given);
        } else if let Some(key) = AUTH.iter().find(known) {
            auth.push(field(Name { text: (*key).into(), span: name.span }, value.clone()));
        } else if same(&name.text, "rateLimitPerHour") {
            fields.push(("rate_limit", value.clone()));
        } else if let Some(key) = ["name", "endpoint", "proxy"].iter().find(known) {
            fields.push((*key, value.clone()));
        }
    }
    let mut out = record(given.span, fields);
    if let (ExprKind::Record(all), false) = (&mut *out.kind, auth.is_empty()) {
        let auth = expr(given.span, ExprKind::Record(auth));
        all.push(field(name(given.span, "auth"), auth));
    }
    out
}
