// Starts the language server of dtm, and tells its files from device trees by their first line.
"use strict";

const fs = require("fs");
const os = require("os");
const path = require("path");
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

/** Whether a text begins as ours do: `dts 1`, after comments. */
function isOurs(document) {
  for (let line = 0; line < Math.min(document.lineCount, 50); line++) {
    const text = document.lineAt(line).text.trim();
    if (text !== "" && !text.startsWith("//")) {
      return /^dts\s+\d+$/.test(text);
    }
  }
  return false;
}

/** Another extension may have taken the ending `.dts` for device trees. */
async function claim(document) {
  if (document.fileName.endsWith(".dts") && document.languageId !== "dtm" && isOurs(document)) {
    await vscode.languages.setTextDocumentLanguage(document, "dtm");
  }
}

function runs(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The program: as configured, from $DTM, from the path, from where it is installed. */
function find() {
  const configured = vscode.workspace.getConfiguration("dtm").get("path");
  const onPath = (process.env.PATH || "").split(path.delimiter).map((folder) => path.join(folder, "dtm"));
  const all = [configured, process.env.DTM, ...onPath, path.join(os.homedir(), ".local/bin/dtm")];
  return all.find((file) => file && runs(file));
}

async function start() {
  const program = find();
  if (!program) {
    const open = "Set the path";
    const chosen = await vscode.window.showWarningMessage(
      "The program `dtm` was not found: install it, or set `dtm.path`.",
      open,
    );
    if (chosen === open) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "dtm.path");
    }
    return;
  }
  const server = { command: program, args: ["lsp"] };
  const options = {
    documentSelector: [{ scheme: "file", language: "dtm" }],
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.{dts,yaml,yml,json,toml}") },
  };
  client = new LanguageClient("dtm", "dtm", server, options);
  await client.start();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.workspace.onDidOpenTextDocument(claim),
    vscode.commands.registerCommand("dtm.restart", async () => {
      await client?.stop();
      await start();
    }),
  );
  await Promise.all(vscode.workspace.textDocuments.map(claim));
  await start();
}

module.exports = { activate, deactivate: () => client?.stop() };
