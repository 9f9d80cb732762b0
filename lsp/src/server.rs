//! The protocol: each method puts its message into the mailbox before it awaits anything.

use crate::convert::{self, Places};
use crate::ide;
use crate::position::Lines;
use crate::worker::{Mailbox, Message};
use crate::world::{Analysis, Loaders, World};
use dtm_lang::source::FileId;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tower_lsp_server::jsonrpc::Result;
use tower_lsp_server::ls_types::*;
use tower_lsp_server::{Client, LanguageServer, LspService, Server};

/// Serves one editor until it goes away.
pub async fn serve<I, O>(input: I, output: O, loaders: Loaders)
where
    I: tokio::io::AsyncRead + Unpin,
    O: tokio::io::AsyncWrite,
{
    let (service, socket) =
        LspService::new(|client| Backend { mailbox: Mailbox::start(loaders, client.clone()), client });
    Server::new(input, output, socket).serve(service).await;
}

struct Backend {
    mailbox: Mailbox,
    client: Client,
}

/// A place that is asked about: the analysis of its program, its file, its byte.
fn place(world: &mut World, path: &Path, at: Position) -> Option<(Arc<Analysis>, FileId, u32)> {
    let analysis = world.analysis(path);
    let file = analysis.file(path)?;
    let text = &analysis.sources.file(file).text;
    let offset = Lines::new(text).offset(text, at.line, at.character);
    Some((analysis, file, offset as u32))
}

impl Backend {
    /// Asks about a place of an open file.
    async fn at<T: Send + 'static>(
        &self,
        of: TextDocumentPositionParams,
        question: impl FnOnce(&Arc<Analysis>, FileId, u32) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let Some(path) = convert::path(&of.text_document.uri) else { return Ok(None) };
        let asked = self.mailbox.ask(move |world| {
            if !world.answers(&path) {
                return None;
            }
            let (analysis, file, offset) = place(world, &path, of.position)?;
            question(&analysis, file, offset)
        });
        Ok(asked.await.flatten())
    }

    /// Asks about an open file.
    async fn of<T: Send + 'static>(
        &self,
        uri: &Uri,
        question: impl FnOnce(&mut World, PathBuf) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let Some(path) = convert::path(uri) else { return Ok(None) };
        let asked =
            self.mailbox.ask(move |world| if world.answers(&path) { question(world, path) } else { None });
        Ok(asked.await.flatten())
    }
}

impl LanguageServer for Backend {
    async fn initialize(&self, _: InitializeParams) -> Result<InitializeResult> {
        let completion = CompletionOptions {
            trigger_characters: Some([".", "\"", ":"].map(String::from).to_vec()),
            ..CompletionOptions::default()
        };
        let capabilities = ServerCapabilities {
            position_encoding: Some(PositionEncodingKind::UTF16),
            text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(TextDocumentSyncKind::INCREMENTAL),
                save: Some(TextDocumentSyncSaveOptions::Supported(true)),
                ..TextDocumentSyncOptions::default()
            })),
            hover_provider: Some(HoverProviderCapability::Simple(true)),
            completion_provider: Some(completion),
            definition_provider: Some(OneOf::Left(true)),
            references_provider: Some(OneOf::Left(true)),
            document_symbol_provider: Some(OneOf::Left(true)),
            document_formatting_provider: Some(OneOf::Left(true)),
            code_action_provider: Some(CodeActionProviderCapability::Simple(true)),
            ..ServerCapabilities::default()
        };
        let server_info = ServerInfo { name: "dtm".into(), version: Some(env!("CARGO_PKG_VERSION").into()) };
        Ok(InitializeResult { capabilities, server_info: Some(server_info), ..InitializeResult::default() })
    }

    async fn initialized(&self, _: InitializedParams) {
        self.client.log_message(MessageType::INFO, "dtm is ready").await;
    }

    async fn shutdown(&self) -> Result<()> {
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        if let Some(path) = convert::path(&document.uri) {
            self.mailbox.send(Message::Open(path, document.version, document.text));
        }
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        if let Some(path) = convert::path(&params.text_document.uri) {
            let edits = params.content_changes.into_iter().map(convert::edit).collect();
            self.mailbox.send(Message::Change(path, params.text_document.version, edits));
        }
    }

    async fn did_save(&self, _: DidSaveTextDocumentParams) {
        self.mailbox.send(Message::Disk);
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        if let Some(path) = convert::path(&params.text_document.uri) {
            self.mailbox.send(Message::Close(path));
        }
    }

    async fn did_change_watched_files(&self, _: DidChangeWatchedFilesParams) {
        self.mailbox.send(Message::Disk);
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        self.at(params.text_document_position_params, |analysis, file, offset| {
            let found = ide::hover(analysis, file, offset)?;
            Some(convert::hover(&mut Places::new(analysis), found))
        })
        .await
    }

    async fn goto_definition(&self, params: GotoDefinitionParams) -> Result<Option<GotoDefinitionResponse>> {
        self.at(params.text_document_position_params, |analysis, file, offset| {
            let span = ide::definition(analysis, file, offset)?;
            Places::new(analysis).location(span).map(GotoDefinitionResponse::Scalar)
        })
        .await
    }

    async fn references(&self, params: ReferenceParams) -> Result<Option<Vec<Location>>> {
        let declaration = params.context.include_declaration;
        self.at(params.text_document_position, move |analysis, file, offset| {
            let mut places = Places::new(analysis);
            let found = ide::references(analysis, file, offset, declaration);
            Some(found.into_iter().filter_map(|s| places.location(s)).collect())
        })
        .await
    }

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let at = params.text_document_position;
        self.of(&at.text_document.uri, move |world, path| {
            let text = world.text(&path)?.to_string();
            let lines = Lines::new(&text);
            let offset = lines.offset(&text, at.position.line, at.position.character);
            let request = ide::request(&text, offset);
            let (cursor, loader) = world.cursor(&path, request.marked.clone());
            let range = convert::range(&text, &lines, request.range.clone());
            let items = ide::items(&request, cursor.as_ref(), &*loader).into_iter().enumerate();
            Some(CompletionResponse::Array(items.map(|(i, item)| convert::item(item, range, i)).collect()))
        })
        .await
    }

    async fn document_symbol(&self, params: DocumentSymbolParams) -> Result<Option<DocumentSymbolResponse>> {
        self.of(&params.text_document.uri, |world, path| {
            let text = world.text(&path)?;
            let lines = Lines::new(text);
            let found = ide::symbols(text).into_iter().map(|s| convert::symbol(text, &lines, s));
            Some(DocumentSymbolResponse::Nested(found.collect()))
        })
        .await
    }

    async fn formatting(&self, params: DocumentFormattingParams) -> Result<Option<Vec<TextEdit>>> {
        self.of(&params.text_document.uri, |world, path| {
            let text = world.text(&path)?;
            let change = ide::format(text)?;
            let range = convert::range(text, &Lines::new(text), change.range);
            Some(vec![TextEdit { range, new_text: change.text }])
        })
        .await
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        let range = params.range;
        self.of(&params.text_document.uri, move |world, path| {
            let (analysis, file, start) = place(world, &path, range.start)?;
            let (_, _, end) = place(world, &path, range.end)?;
            let mut places = Places::new(&analysis);
            let found = ide::fixes(&analysis, file, start, end);
            Some(found.into_iter().filter_map(|a| places.action(a)).collect())
        })
        .await
    }
}
