//! The one thread that owns the world. It works through the mailbox in order; when nothing waits any more it publishes
//! what is wrong. A request whose answer nobody waits for any more is left out.

use crate::convert::Places;
use crate::documents::Edit;
use crate::world::{Loaders, World};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use tower_lsp_server::Client;
use tower_lsp_server::ls_types as lsp;

type Job = Box<dyn FnOnce(&mut World) + Send>;

/// What is put into the mailbox.
pub(crate) enum Message {
    Open(PathBuf, i32, String),
    Change(PathBuf, i32, Vec<Edit>),
    Close(PathBuf),
    /// Files on disk changed.
    Disk,
    Ask(Job),
}

/// The way into the mailbox.
#[derive(Clone)]
pub(crate) struct Mailbox(Sender<Message>);

impl Mailbox {
    /// Starts the worker.
    pub(crate) fn start(loaders: Loaders, client: Client) -> Mailbox {
        let (sender, receiver) = channel();
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || work(&receiver, loaders, &client, &runtime));
        Mailbox(sender)
    }

    pub(crate) fn send(&self, message: Message) {
        // The worker ends only with the server.
        let _ = self.0.send(message);
    }

    /// Asks something of the world, in its turn. `None` when the question could not be answered.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.send(Message::Ask(Box::new(move |world| {
            // The editor took the request back.
            if !reply.is_closed() {
                let _ = reply.send(question(world));
            }
        })));
        async move { answer.await.ok() }
    }
}

fn work(mailbox: &Receiver<Message>, loaders: Loaders, client: &Client, runtime: &tokio::runtime::Handle) {
    let mut world = World::new(loaders);
    let mut published: BTreeSet<PathBuf> = BTreeSet::new();
    let mut stale = false;
    loop {
        let message = match mailbox.try_recv() {
            Ok(message) => message,
            Err(_) => {
                if std::mem::take(&mut stale) {
                    // A bug must not take the server away: the texts are kept, and the next edit is a new chance.
                    let found = catch_unwind(AssertUnwindSafe(|| problems(&mut world)));
                    runtime.block_on(publish(client, &world, found.unwrap_or_default(), &mut published));
                    continue;
                }
                match mailbox.recv() {
                    Ok(message) => message,
                    Err(_) => return,
                }
            }
        };
        match message {
            Message::Open(path, version, text) => {
                world.open(path, version, text);
                stale = true;
            }
            Message::Change(path, version, edits) => {
                world.change(&path, version, edits);
                stale = true;
            }
            Message::Close(path) => {
                world.close(&path);
                stale = true;
            }
            Message::Disk => {
                world.forget();
                stale = true;
            }
            Message::Ask(job) => _ = catch_unwind(AssertUnwindSafe(|| job(&mut world))),
        }
    }
}

type Problems = BTreeMap<PathBuf, Vec<lsp::Diagnostic>>;

/// What is wrong, by file: of every open file, and of those that belong to the same programs.
fn problems(world: &mut World) -> Problems {
    let mut all = Problems::new();
    for path in world.open_files() {
        all.entry(path.clone()).or_default();
        if !world.is_ours(&path) {
            continue;
        }
        let analysis = world.analysis(&path);
        let mut places = Places::new(&analysis);
        for d in &analysis.diagnostics {
            let Some(primary) = &d.primary else { continue };
            let Some(file) = analysis.path(primary.span.file) else { continue };
            let Some(found) = places.diagnostic(d) else { continue };
            let list = all.entry(file).or_default();
            if !list.contains(&found) {
                list.push(found);
            }
        }
    }
    all
}

async fn publish(client: &Client, world: &World, problems: Problems, published: &mut BTreeSet<PathBuf>) {
    // Files that had problems and have none any more are told so.
    let gone: Vec<PathBuf> = published.iter().filter(|p| !problems.contains_key(*p)).cloned().collect();
    published.clear();
    for (path, found) in problems.into_iter().chain(gone.into_iter().map(|p| (p, vec![]))) {
        let Some(uri) = lsp::Uri::from_file_path(&path) else { continue };
        let version = world.version(&path);
        if !found.is_empty() {
            published.insert(path);
        }
        client.publish_diagnostics(uri, found, version).await;
    }
}
