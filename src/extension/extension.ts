// The extension host's side of Lectern: builds the parts and registers them. No GPU here; see engineProcess.ts.

import { type ExtensionContext, workspace } from "vscode";
import { CacheStatsView } from "./cacheStatsView.ts";
import { ChatStore } from "./chatStore.ts";
import { ChatView } from "./chatView.ts";
import { Commands } from "./commands.ts";
import type { Contribution } from "./contribution.ts";
import { Conversation } from "./conversation.ts";
import { createEngine } from "./engineHost.ts";
import { ExtractedText } from "./extractedText.ts";
import { createLog } from "./log.ts";
import { Scope } from "./scope.ts";
import { modelSettings } from "./settings.ts";
import { StatusBar } from "./statusBar.ts";

export function activate(context: ExtensionContext): void {
  const { extensionUri } = context;
  const log = createLog();
  const statusBar = new StatusBar();
  const engine = createEngine(context, log, (status) => {
    statusBar.show(status);
    chat.surroundingsChanged();
    cacheStats.statusChanged(status).catch((error) => log.debug(String(error)));
  });
  const store = new ChatStore(context.workspaceState);
  const scope = new Scope();
  const conversation = new Conversation({
    engine,
    store,
    settings: modelSettings,
    label: (path) => workspace.asRelativePath(path),
    listener: {
      reset: () => chat.reset(),
      turn: (turn) => chat.turn(turn),
      token: (turnId, text) => chat.token(turnId, text),
      progress: (turnId, progress) => chat.progress(turnId, progress),
    },
  });
  const chat = new ChatView({ extensionUri, conversation, scope, engine });
  const cacheStats = new CacheStatsView(extensionUri, engine);
  const parts = { conversation, chat, store, scope, engine, cacheStats, log };
  const extracted = new ExtractedText(engine);
  const contributions: Contribution[] = [scope, statusBar, chat, extracted, new Commands(parts)];
  for (const contribution of contributions) contribution.register(context);
  context.subscriptions.push(log, engine);
}
