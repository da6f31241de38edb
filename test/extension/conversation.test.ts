// The chat's bookkeeping, with an engine whose answers the tests write.

import assert from "node:assert/strict";
import { ChatStore, type Storage } from "../../src/extension/chatStore.ts";
import { CannotAskError, Conversation, type Subject } from "../../src/extension/conversation.ts";
import {
  EngineLostError,
  StoppedError,
  UnresponsiveError,
} from "../../src/extension/engineClient.ts";
import type { EngineProcess } from "../../src/extension/engineProcess.ts";
import type { Answer, AskParams, ChatTurn, Observer } from "../../src/protocol.ts";

const subject: Subject = {
  label: "books",
  paths: ["/books"],
  unsaved: { "/books/a.txt": "new" },
};

const answer: Answer = {
  found: true,
  answer: "Ishmael [1]",
  citations: [
    {
      path: "/books/moby.txt",
      startLine: 3,
      endLine: 3,
      quote: "Call me Ishmael",
      verified: true,
      origin: "answer",
    },
  ],
  coverage: {
    tokensTotal: 10,
    tokensSearched: 10,
    tokensInCache: 0,
    tokensReread: 5,
    skipped: [{ path: "/books/.env", reason: "may hold secrets" }],
  },
};

type Work = (params: AskParams, observer: Observer, signal: AbortSignal) => Promise<Answer>;

describe("conversation", () => {
  let stored: Map<string, unknown>;
  let storage: Storage;
  let told: string[];
  let wrong: Error | undefined;

  beforeEach(() => {
    wrong = undefined;
    stored = new Map();
    storage = {
      get: (key) => structuredClone(stored.get(key)),
      update: async (key, value) => void stored.set(key, structuredClone(value)),
    };
    told = [];
  });

  function open(work: Work): Conversation {
    const request = (_method: string, params: AskParams, observer: Observer, signal: AbortSignal) =>
      work(params, observer, signal);
    return new Conversation({
      // Only "ask" is requested here, so one function stands for all methods.
      engine: { request } as unknown as Pick<EngineProcess, "request">,
      store: new ChatStore(storage),
      settings: () => {
        if (wrong) throw wrong;
        return { chunkLength: 64 };
      },
      label: (path) => path.replace("/books/", ""),
      listener: {
        reset: () => told.push("reset"),
        turn: (turn: ChatTurn) => told.push(turn.state),
        token: (_, text) => told.push(text),
        progress: (_, progress) => told.push(progress.phase),
      },
    });
  }

  it("tells the page of the question, the tokens and the end, in order", async () => {
    const chat = open(async (_, observer) => {
      observer.progress?.({ phase: "search", done: 1, total: 2, unit: "files" });
      observer.token?.("Ish");
      observer.token?.("mael");
      return answer;
    });
    const turn = await chat.ask("Who?", subject);
    assert.deepEqual(told, ["running", "search", "Ish", "mael", "done"]);
    assert.equal(turn.answer, "Ishmael [1]");
    assert.equal(turn.citations[0]?.label, "moby.txt");
    assert.equal(turn.coverage?.skipped[0]?.path, ".env");
  });

  it("sends settings, unsaved text and the turns before that found something", async () => {
    const asked: AskParams[] = [];
    const chat = open(async (params) => {
      asked.push(params);
      return { ...answer, found: params.question !== "Nothing?" };
    });
    await chat.ask("Who?", subject);
    await chat.ask("Nothing?", subject);
    await chat.ask("Where?", subject);
    assert.equal(asked[2]?.chunkLength, 64);
    assert.deepEqual(asked[2]?.unsaved, subject.unsaved);
    assert.deepEqual(asked[2]?.history, [{ question: "Who?", answer: "Ishmael [1]" }]);
  });

  it("says in the chat what is wrong with the settings, and answers when they are right", async () => {
    const chat = open(async () => answer);
    wrong = new CannotAskError("The setting lectern.cacheDir is 5.", "openSettings");
    const failed = await chat.ask("Who?", subject);
    assert.equal(failed.state, "failed");
    assert.deepEqual(failed.error, { message: wrong.message, action: "openSettings" });
    wrong = undefined;
    assert.equal((await chat.ask("Who?", subject)).state, "done");
  });

  it("keeps what was streamed when the engine is lost, and answers the next question", async () => {
    let isFirst = true;
    const chat = open(async (_, observer) => {
      if (!isFirst) return answer;
      isFirst = false;
      observer.token?.("Call me");
      throw new EngineLostError("gone");
    });
    const lost = await chat.ask("Who?", subject);
    assert.equal(lost.state, "failed");
    assert.equal(lost.answer, "Call me");
    assert.match(lost.error?.message ?? "", /middle of this answer/);
    assert.equal((await chat.ask("Who?", subject)).state, "done");
  });

  it("says whether the engine starts again, and offers Restart Engine where that helps", async () => {
    const ends = [
      new EngineLostError("gone"),
      new EngineLostError("gone", false),
      new UnresponsiveError("It has not answered."),
    ];
    const chat = open(async () => {
      throw ends[chat.turns.length - 1] ?? new Error("no end is left");
    });
    for (const _ of ends) await chat.ask("Who?", subject);
    const errors = chat.turns.map(({ error }) => error);
    assert.match(errors[0]?.message ?? "", /starts again/);
    assert.match(errors[1]?.message ?? "", /was not started again/);
    assert.equal(errors[2]?.message, "It has not answered.");
    assert.deepEqual(
      errors.map((error) => error?.action),
      ["showLog", "restartEngine", "restartEngine"],
    );
  });

  it("waits for the engine's word before a stopped answer counts as stopped", async () => {
    const chat = open(async (_, observer, signal) => {
      observer.token?.("Call");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw new StoppedError("Stopped.");
    });
    const asked = chat.ask("Who?", subject);
    await chat.stop();
    const turn = await asked;
    assert.equal(turn.state, "stopped");
    assert.equal(turn.answer, "Call");
    assert.deepEqual(told, ["running", "Call", "stopping", "stopped"]);
    assert.equal(chat.isAnswering, false);
  });

  it("shows every note of a partial answer", async () => {
    const chat = open(async () => ({
      ...answer,
      partial: true,
      notes: ["Stopped before the end."],
    }));
    const turn = await chat.ask("Who?", subject);
    assert.equal(turn.state, "stopped");
    assert.deepEqual(turn.notes, ["Stopped before the end."]);
  });

  it("stops the running answer when the next question comes", async () => {
    let numStopped = 0;
    const chat = open(async ({ question }, _, signal) => {
      if (question === "Who?") return answer;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      numStopped++;
      throw new StoppedError("Stopped.");
    });
    void chat.ask("Slow?", subject);
    await chat.ask("Who?", subject);
    assert.equal(numStopped, 1);
    assert.deepEqual(
      chat.turns.map(({ state }) => state),
      ["stopped", "done"],
    );
  });

  it("is there again after a reload, and a turn cut short by it is marked", async () => {
    const chat = open(async () => answer);
    await chat.ask("Who?", subject);
    const [saved] = new ChatStore(storage).all();
    assert.ok(saved);
    const cut = { ...saved, turns: saved.turns.map((turn) => ({ ...turn, state: "running" })) };
    stored.set("lectern.chats.v1", [cut]);
    const reopened = open(async () => answer);
    assert.equal(reopened.turns[0]?.question, "Who?");
    assert.equal(reopened.turns[0]?.state, "stopped");
    assert.match(reopened.turns[0]?.notes.join(" ") ?? "", /window closed/);
  });

  it("keeps a question whose window closes in front of the first word", async () => {
    const chat = open(() => new Promise(() => {}));
    void chat.ask("Who?", subject);
    await new Promise((resolve) => setTimeout(resolve, 0));
    const [turn] = open(async () => answer).turns;
    assert.deepEqual([turn?.question, turn?.state], ["Who?", "stopped"]);
  });

  it("asks a turn again about the same thing, in place of the first try", async () => {
    const paths: (readonly string[])[] = [];
    const chat = open(async (params) => {
      paths.push(params.paths);
      return answer;
    });
    const turn = await chat.ask("Who?", subject);
    const reopened = open(async (params) => {
      paths.push(params.paths);
      return answer;
    });
    for (const [conversation, id] of [
      [chat, turn.id],
      [reopened, reopened.turns[0]?.id],
    ] as const)
      await conversation.retry(id ?? "", (asked) => ({
        ...subject,
        paths: asked.paths ?? ["/elsewhere"],
      }));
    assert.deepEqual(paths, [["/books"], ["/books"], ["/books"]]);
    assert.equal(chat.turns.length, 1);
    assert.notEqual(chat.turns[0]?.id, turn.id);
  });

  it("takes back that a quote was found", async () => {
    const chat = open(async () => answer);
    const { id, citations } = await chat.ask("Who?", subject);
    assert.equal(citations[0]?.verified, true);
    await chat.unverify(id, 0);
    assert.equal(new ChatStore(storage).all()[0]?.turns[0]?.citations[0]?.verified, false);
  });

  it("keeps earlier chats when a new one begins", async () => {
    const chat = open(async () => answer);
    await chat.ask("Who?", subject);
    await chat.newChat();
    assert.deepEqual(chat.turns, []);
    await chat.ask("Where?", subject);
    const titles = new ChatStore(storage).all().map(({ turns }) => turns[0]?.question);
    assert.deepEqual(titles, ["Where?", "Who?"]);
  });
});
