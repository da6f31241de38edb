// One part of the extension that registers itself with VS Code. extension.ts lists them all.

import type { ExtensionContext } from "vscode";

export interface Contribution {
  /** Register commands, views and listeners; everything to dispose goes to `context.subscriptions`. */
  register(context: ExtensionContext): void;
}
