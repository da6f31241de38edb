// The text of a book or document that no editor shows as text, as Lectern reads it: a read-only document of its own scheme.

import { type ExtensionContext, Uri, workspace } from "vscode";
import type { Contribution } from "./contribution.ts";
import type { EngineProcess } from "./engineProcess.ts";

const SCHEME = "lectern-text";
/** Behind the file's own name: what is shown is its text, and editors of the file itself are not for it. */
const ENDING = ".txt";

export class ExtractedText implements Contribution {
  readonly #engine: EngineProcess;

  constructor(engine: EngineProcess) {
    this.#engine = engine;
  }

  register(context: ExtensionContext): void {
    context.subscriptions.push(
      workspace.registerTextDocumentContentProvider(SCHEME, {
        provideTextDocumentContent: async (uri, token) => {
          const stop = new AbortController();
          token.onCancellationRequested(() => stop.abort());
          const paths = [shownFile(uri).fsPath];
          const read = await this.#engine.request("read", { paths }, {}, stop.signal);
          return read.documents[0]?.text ?? "";
        },
      }),
    );
  }
}

/** The file that a shown text was taken out of; the document's own URI where it is another one's. */
export function shownFile(uri: Uri): Uri {
  return uri.scheme === SCHEME ? Uri.file(uri.path.slice(0, -ENDING.length)) : uri;
}

/** Names the text of the file at `path`. */
export function extractedTextUri(path: string): Uri {
  const file = Uri.file(path);
  return file.with({ scheme: SCHEME, path: `${file.path}${ENDING}` });
}
