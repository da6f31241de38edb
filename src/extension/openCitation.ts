// Opens a cited file, or the text that was read of it, at the cited lines, with the quote selected and the lines lit up for a moment.

import {
  Position,
  Range,
  type TextDocument,
  TextEditorRevealType,
  ThemeColor,
  Uri,
  ViewColumn,
  window,
  workspace,
} from "vscode";
import { isExtracted } from "../protocol/extractedFormats.ts";
import type { Citation } from "../protocol.ts";
import { extractedTextUri } from "./extractedText.ts";
import { locateQuote } from "./locateQuote.ts";

const LIT_MS = 2500;

/**
 * Show `citation` in an editor beside the chat. Returns whether its quote was found in what is shown: where its lines have moved it is
 * looked for in all of the file.
 */
export async function openCitation(citation: Citation): Promise<boolean> {
  const { path } = citation;
  const uri = isExtracted(path) ? extractedTextUri(path) : Uri.file(path);
  const document = await workspace.openTextDocument(uri);
  const last = document.lineCount - 1;
  const startLine = Math.min(Math.max(0, citation.startLine - 1), last);
  const endLine = Math.min(Math.max(startLine, citation.endLine - 1), last);
  const lines = new Range(new Position(startLine, 0), document.lineAt(endLine).range.end);
  const selection = find(document, lines, citation.quote) ?? new Range(lines.start, lines.start);
  const column = window.activeTextEditor?.viewColumn ?? ViewColumn.One;
  const editor = await window.showTextDocument(document, { selection, viewColumn: column });
  editor.revealRange(selection, TextEditorRevealType.InCenterIfOutsideViewport);
  const light = window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new ThemeColor("editor.findMatchHighlightBackground"),
    overviewRulerColor: new ThemeColor("editorOverviewRuler.findMatchForeground"),
  });
  editor.setDecorations(light, [lines.contains(selection) ? lines : selection]);
  setTimeout(() => light.dispose(), LIT_MS);
  return !selection.isEmpty;
}

function find(document: TextDocument, lines: Range, quote: string): Range | undefined {
  const base = document.offsetAt(lines.start);
  const near = locateQuote(document.getText(lines), quote);
  if (near) {
    return new Range(document.positionAt(base + near.start), document.positionAt(base + near.end));
  }
  const far = locateQuote(document.getText(), quote);
  return far && new Range(document.positionAt(far.start), document.positionAt(far.end));
}
