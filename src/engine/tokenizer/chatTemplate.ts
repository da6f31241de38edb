// Renders the Jinja chat template of a model in a process of its own, bounded in time, memory and output.

import type { ChildProcess } from "node:child_process";
import { startProgram } from "../childProcess.ts";
import { UserError } from "../errors.ts";
import type { RenderReply } from "./chatTemplateProcess.ts";
import type { RenderRequest } from "./renderTemplate.ts";

const PROGRAM = new URL("./chatTemplateProcess.ts", import.meta.url);
const RENDER_TIMEOUT_MS = 2000;
/** Starting Node is not the template's fault; on a busy machine it takes seconds. */
const START_TIMEOUT_MS = 30_000;
const MEMORY_LIMIT_MB = 128;
const REASON_LENGTH = 200;

/**
 * Render a template with the first variant of its variables that it accepts, and say which. Throws UserError when it accepts
 * none, loops, or asks for too much memory.
 */
export async function renderChatTemplate(
  request: RenderRequest,
): Promise<{ readonly text: string; readonly variant: number }> {
  const child = startProgram(PROGRAM, MEMORY_LIMIT_MB);
  try {
    return await converse(child, request);
  } finally {
    child.kill("SIGKILL");
  }
}

function converse(
  child: ChildProcess,
  request: RenderRequest,
): Promise<{ text: string; variant: number }> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => reject(templateError(reason));
    let timer = setTimeout(fail, START_TIMEOUT_MS, "its process did not start");
    child.once("error", (error) => fail(error.message));
    child.once("exit", () => fail("it asked for too much memory"));
    child.on("message", (reply: RenderReply) => {
      clearTimeout(timer);
      switch (reply.state) {
        case "ready":
          timer = setTimeout(fail, RENDER_TIMEOUT_MS, `it ran for ${RENDER_TIMEOUT_MS / 1000} s`);
          child.send(request);
          break;
        case "rendered":
          resolve(reply);
          break;
        case "failed":
          fail(reply.reason);
          break;
        default:
          reply satisfies never;
      }
    });
    child.once("close", () => clearTimeout(timer));
  });
}

function templateError(reason: string): UserError {
  const short = reason.replaceAll(/\s+/g, " ").slice(0, REASON_LENGTH);
  return new UserError(
    `The model's chat template failed: ${short}. Choose another model or another conversion of it.`,
  );
}
