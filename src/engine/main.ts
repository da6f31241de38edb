// The engine process: serves one Engine to all windows of a user until the last one has gone. Started by the extension
// as `node engine.mjs --runtime-folder DIR --name NAME`; nothing else is said on its command line.

import { parseArgs } from "node:util";
import { Engine } from "./engine.ts";
import { EngineServer } from "./server.ts";

// The window that started the engine may be gone, and its end of the pipes with it.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

const { values } = parseArgs({
  options: { "runtime-folder": { type: "string" }, name: { type: "string" } },
});
const { "runtime-folder": runtimeFolder, name } = values;
if (!runtimeFolder || !name) {
  process.stderr.write("usage: engine.mjs --runtime-folder DIR --name NAME\n");
  process.exit(2);
}

try {
  const server = await EngineServer.listen({
    api: new Engine(),
    runtimeFolder,
    name,
    onEnd: () => process.exit(0),
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => server.end());
  }
  process.on("uncaughtException", (error) => {
    server.log("error", `The engine ends after an error: ${error.stack ?? error.message}`);
    process.stderr.write(`${error.stack ?? error.message}\n`);
    process.exit(70);
  });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
