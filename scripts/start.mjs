// `npm start`: sets up what is missing, then answers a question about this repository with the embedded model, offline.
// `npm start -- PATH "question"` asks about any file or folder instead.

import {
  buildPrograms,
  installAdapter,
  installPackages,
  requireNode,
  runNode,
  say,
} from "./setup.mjs";

const ownQuestion = "Which library finds the passages?";
const [path = ".", question = ownQuestion] = process.argv.slice(2);

requireNode();
installPackages({ dev: false });
await buildPrograms(["node"]);
installAdapter();

say(`asking about ${path === "." ? "this repository" : path}: ${question}`);
process.exitCode = runNode(["dist/cli.mjs", "ask", path, "--question", question]);
