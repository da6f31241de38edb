// The chat's HTML: one script with a nonce, two style sheets and a font of the extension's own, and nothing else.

import { randomBytes } from "node:crypto";
import { env, Uri, type Webview } from "vscode";

/** The page for `webview`; its policy admits no other source, inline style or connection. */
export function chatPage(webview: Webview, extensionUri: Uri): string {
  const uri = (...parts: string[]) => webview.asWebviewUri(Uri.joinPath(extensionUri, ...parts));
  const nonce = randomBytes(16).toString("base64");
  const csp = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource}`,
    `font-src ${webview.cspSource}`,
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="${env.language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${csp}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${uri("dist", "webview", "main.css")}" id="vscode-codicon-stylesheet">
<link rel="stylesheet" href="${uri("media", "webview.css")}">
<title>Lectern</title>
</head>
<body>
<lectern-chat></lectern-chat>
<script type="module" nonce="${nonce}" src="${uri("dist", "webview", "main.js")}"></script>
</body>
</html>`;
}
