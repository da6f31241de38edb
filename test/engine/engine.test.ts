// What the engine does side by side, with a model that answers from a script: no adapter needed.

import assert from "node:assert/strict";
import { Engine } from "../../src/engine/engine.ts";
import { UserError } from "../../src/engine/errors.ts";
import type { OpenModel } from "../../src/engine/modelHost.ts";
import type { Observer } from "../../src/protocol.ts";
import { scriptedModel } from "../support/scriptedModel.ts";
import { withFiles } from "../support/writtenFiles.ts";

const FILES = { "history.md": "The parliament was established in 1999.\n" };
const question = "When was the parliament established?";
const { signal } = new AbortController();

describe("the engine", () => {
  it("reads the documents while the model is being opened", async () => {
    let isRead = () => {};
    const read = new Promise<void>((resolve) => {
      isRead = resolve;
    });
    const observer: Observer = { progress: ({ phase }) => phase === "index" && isRead() };
    const opened = {
      model: scriptedModel({ reply: () => " 1999 [1]" }),
      isLost: false,
      dispose: () => {},
    };
    const openModel = async () => {
      await read;
      // What an answer needs of an open model.
      return opened as unknown as OpenModel;
    };
    await withFiles(FILES, async (folder) => {
      const answer = await new Engine({ openModel }).ask(
        { paths: [folder], question },
        observer,
        signal,
      );
      assert.equal(answer.answer, "1999");
    });
  });

  it("says that the model cannot be opened, whatever became of the reading", async () => {
    const engine = new Engine({
      openModel: () => Promise.reject(new UserError("There is no such model.")),
    });
    await withFiles(FILES, async (folder) => {
      for (const path of [folder, `${folder}/missing.txt`])
        await assert.rejects(engine.ask({ paths: [path], question }, {}, signal), /no such model/);
    });
  });
});
