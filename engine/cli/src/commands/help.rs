//! `dtm help [COMMAND | TOPIC]`

use crate::doc::reader::render;
use crate::exit::{Exit, Failure};
use crate::suggest::is_visible;
use crate::terminal::Terminal;
use crate::view::paper::Paper;
use clap::{Args, Command};
use dtm_lang::{Code, Diagnostic};
use dtm_stdlib::{GUIDE, Page};
use serde_json::json;
use std::fmt::Write;

/// The arguments of `dtm help`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm help plan\n  dtm help state mv\n  dtm help exit-codes\n  dtm help guide             lists the pages of the guide\n  dtm help guide secrets\n\nTopics: exit-codes, addresses, guide"
)]
pub struct Help {
    /// A command or a topic; without it, all commands are listed.
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// What has a page, and is not a command.
pub(crate) const TOPICS: [&str; 3] = ["exit-codes", "addresses", "guide"];

const ADDRESSES: &str = "\
Addresses

  site                a tool; or a family, or a component, with everything in it
  site[\"eu\"]          a member of a family
  shop/db             a tool in a component
  shop[\"eu\"]/db       a tool in a member of a family of components

`--only`, `--skip`, `--replace`, `show`, `delete`, `state show`, `state mv` and `state rm` take all of them.
Quote an address in a shell: 'site[\"eu\"]'. Because a shell removes the quotes of site[\"eu\"], dtm also takes site[eu].
";

/// Shows a page; `command` is the command line of dtm.
pub(crate) fn run(terminal: &Terminal, args: &Help, mut command: Command) -> Result<Exit, Failure> {
    match &*args.command {
        [topic] if topic == "exit-codes" => exit_codes(terminal),
        [topic] if topic == "addresses" => tell(terminal, args, ADDRESSES),
        [topic] if topic == "guide" => guide(terminal),
        [topic, page] if topic == "guide" => show(terminal, args, page)?,
        [page] if is_page(page, &command) => show(terminal, args, page)?,
        words => {
            command.build();
            let mut found = &mut command;
            for word in words {
                if !found.get_subcommands().any(|c| c.get_name() == word) {
                    return Err(unknown(found, word));
                }
                let Some(next) = found.find_subcommand_mut(word) else { return Ok(Exit::Done) };
                found = next;
            }
            let page = if terminal.style.is_on() {
                found.render_long_help().ansi().to_string()
            } else {
                found.render_long_help().to_string()
            };
            tell(terminal, args, &page);
        }
    }
    Ok(Exit::Done)
}

/// Whether a word is a page of the guide and not a command.
fn is_page(word: &str, command: &Command) -> bool {
    Page::named(word).is_some() && command.find_subcommand(word).is_none()
}

/// Lists the pages of the guide, by the parts of the manual.
fn guide(terminal: &Terminal) {
    if terminal.json {
        let page = |page: &Page| json!({ "topic": page.name, "part": page.part, "title": page.title() });
        return terminal.line(&GUIDE.iter().map(page).collect());
    }
    let widest = GUIDE.iter().map(|page| page.name.len()).max().unwrap_or(0);
    let mut out = String::from("Pages of the guide, for `dtm help guide PAGE`:\n");
    for pages in GUIDE.chunk_by(|a, b| a.part == b.part) {
        let _ = writeln!(out, "\n{}", pages.first().map_or("", |page| page.part));
        pages.iter().for_each(|page| _ = writeln!(out, "  {:widest$}  {}", page.name, page.title()));
    }
    terminal.page(&out);
}

/// Shows a page of the guide: as Markdown where nobody looks at a terminal.
fn show(terminal: &Terminal, args: &Help, page: &str) -> Result<(), Failure> {
    let Some(Page { text, .. }) = Page::named(page) else {
        let d = Diagnostic::new(Code::E0901, format!("the guide has no page `{page}`"));
        let d = d.nearest(page, GUIDE.iter().map(|page| page.name));
        return Err(Failure::of(d.help("list the pages: `dtm help guide`")).usage());
    };
    match terminal.style.is_on() {
        true => terminal.page(&render(text, Paper::of(terminal))),
        false => tell(terminal, args, text),
    }
    Ok(())
}

/// Shows a page; as JSON, with what was asked for.
fn tell(terminal: &Terminal, args: &Help, page: &str) {
    match terminal.json {
        true => terminal.line(&json!({ "topic": args.command.join(" "), "text": page })),
        false => terminal.out(page),
    }
}

fn unknown(within: &Command, word: &str) -> Failure {
    let mut names: Vec<&str> =
        within.get_subcommands().filter(|c| is_visible(c)).map(Command::get_name).collect();
    let name = within.get_bin_name().unwrap_or("dtm");
    let headline = match within.has_subcommands() {
        true => format!("`{name}` has no command `{word}`"),
        false => format!("`{name}` has no subcommands"),
    };
    let top = name == "dtm";
    if top {
        names.extend(TOPICS);
    }
    let d = Diagnostic::new(Code::E0901, headline).nearest(word, names);
    let list = if top {
        "list the commands: `dtm help`".into()
    } else {
        format!("see `dtm help {}`", name.trim_start_matches("dtm "))
    };
    Failure::of(d.help(list)).usage()
}

/// Every exit code with its meaning.
fn exit_codes(terminal: &Terminal) {
    if terminal.json {
        let all: Vec<_> =
            Exit::ALL.iter().map(|e| json!({ "code": *e as u8, "meaning": e.meaning() })).collect();
        return terminal.line(&all.into());
    }
    let mut out = String::from("Exit codes\n\n");
    for exit in Exit::ALL {
        let _ = writeln!(out, "{:>5}  {}", exit as u8, exit.meaning());
    }
    terminal.out(&out);
}
