// `npm start`: sets up what is missing, then answers a question about this repository with the embedded model, offline.
// `npm start -- PATH "question"` asks about any file or folder instead.

import { resolve } from "node:path";
import {
  buildPrograms,
  installAdapter,
  installPackages,
  requireNode,
  runNode,
  say,
} from "./setup.mjs";

const ownQuestion = "How many parameters does the embedded model have?";
const [path = ".", question = ownQuestion] = process.argv.slice(2);
// npm runs this in the repository, wherever the user typed it.
const where = path === "." ? path : resolve(process.env.INIT_CWD ?? ".", path);

requireNode();
installPackages({ dev: false });
await buildPrograms(["node"]);
installAdapter();

say(`asking about ${path === "." ? "this repository" : path}: ${question}`);
process.exitCode = runNode(["dist/cli.mjs", "ask", where, `--question=${question}`]);
