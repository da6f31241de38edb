// What the chat's page says in words: progress, and sentences for screen readers.

import assert from "node:assert/strict";
import { count, progressText } from "../../src/webview/progressText.ts";
import { Sentences } from "../../src/webview/sentences.ts";

const t = (text: string) => text;

describe("progress in words", () => {
  it("tells what, how much, how fast and how long", () => {
    const text = progressText(
      {
        phase: "read",
        done: 120,
        total: 340,
        unit: "files",
        ratePerSecond: 85,
        remainingMs: 2600,
      },
      t,
    );
    assert.equal(text, "Reading files · 120 of 340 files · 85 files/s · about 3 s left");
  });

  it("leaves out what is not known", () => {
    assert.equal(
      progressText({ phase: "walk", done: 3, total: 0, unit: "files" }, t),
      "Finding files",
    );
  });

  it("says which passage the model is looking at, but not which of many files", () => {
    const passage = { done: 120, total: 218, unit: "tokens", detail: "a.md:3-9" } as const;
    assert.match(progressText({ phase: "prefill", ...passage }, t), / · a\.md:3-9$/);
    assert.doesNotMatch(progressText({ phase: "read", ...passage }, t), /a\.md/);
  });

  it("promises no end of an answer, whose length nobody knows", () => {
    const decode = { phase: "decode", done: 5, total: 512, unit: "tokens" } as const;
    const text = progressText({ ...decode, ratePerSecond: 27, remainingMs: 19_000 }, t);
    assert.equal(text, "Answering · 5 tokens · 27 tokens/s");
  });

  it("shortens large counts", () => {
    assert.deepEqual([999, 9999, 12_345, 612_345, 3_400_000].map(count), [
      "999",
      "9,999",
      "12.3k",
      "612k",
      "3.4M",
    ]);
  });
});

describe("announcements", () => {
  it("say whole sentences, each once, however the text is cut", () => {
    const text = "Call me Ishmael. Some years ago, I thought I would sail! Why? It is a way";
    for (const size of [1, 3, 7, 100]) {
      const sentences = new Sentences();
      const said: string[] = [];
      for (let at = 0; at < text.length; at += size) {
        const sentence = sentences.add(text.slice(at, at + size));
        if (sentence) said.push(sentence);
      }
      said.push(sentences.rest());
      assert.equal(said.join(" "), text, `in pieces of ${size}`);
      assert.equal(said.at(-1), "It is a way");
    }
  });
});
