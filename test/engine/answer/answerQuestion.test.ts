// From a question to a checked answer, with a scripted model: citations, refusals, stops, and answers without a model.

import assert from "node:assert/strict";
import { answerQuestion } from "../../../src/engine/answer/answerQuestion.ts";
import { Shelf } from "../../../src/engine/answer/shelf.ts";
import { DeviceLostError, StoppedError, UserError } from "../../../src/engine/errors.ts";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import type { Answer, AskParams } from "../../../src/protocol.ts";
import { characterTokenizer, type Script, scriptedModel } from "../../support/scriptedModel.ts";
import { testData } from "../../support/testData.ts";
import { withFiles } from "../../support/writtenFiles.ts";

const FILES = {
  "history.md":
    "# History\n\nThe harbour was closed in 1931.\nThe parliament of Atlantis was\nestablished in 1999 by Queen Mara.\n",
  "food.md": "# Food\n\nThe people of Atlantis eat kelp on Mondays.\n",
  "pic.png": "x",
};
const QUESTION = "When was the parliament of Atlantis established?";
const CHAT_TEMPLATE =
  "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

interface Asked {
  readonly files?: Readonly<Record<string, string>>;
  readonly model?: LanguageModel;
  readonly params?: Partial<AskParams>;
  readonly signal?: AbortSignal;
  readonly token?: (text: string) => void;
}

function ask(question: string, asked: Asked = {}): Promise<Answer> {
  return withFiles(asked.files ?? FILES, (folder) =>
    answerQuestion(
      { paths: [folder], question, ...asked.params },
      {
        shelf: new Shelf(),
        tokenizer: characterTokenizer,
        ...(asked.model && { model: asked.model }),
      },
      {
        ...(asked.signal && { signal: asked.signal }),
        ...(asked.token && { observer: { token: asked.token } }),
      },
    ),
  );
}

const reader = (reply: Script["reply"], more: Partial<Script> = {}) =>
  scriptedModel({ reply, ...more });
const chat = (reply: Script["reply"], more: Partial<Script> = {}) =>
  scriptedModel({ reply, promptFormat: "chat", chatTemplate: CHAT_TEMPLATE, ...more });
const saysYear = (prompt: string) => (prompt.includes("1999") ? " 1999 [1]" : " not in the text");

describe("answering with a model that copies spans", () => {
  it("cites the sentence around the answer, verified, with its lines", async () => {
    const streamed: string[] = [];
    const answer = await ask(QUESTION, {
      model: reader(saysYear),
      token: (text) => streamed.push(text),
    });
    assert.equal(answer.found, true);
    assert.equal(answer.answer, "1999");
    assert.equal(streamed.join(""), "1999");
    const [citation] = answer.citations;
    assert.match(citation?.path ?? "", /history\.md$/);
    assert.deepEqual(
      { ...citation, path: "" },
      {
        path: "",
        startLine: 4,
        endLine: 5,
        quote: "The parliament of Atlantis was\nestablished in 1999 by Queen Mara.",
        verified: true,
        origin: "answer",
      },
    );
    assert.ok((answer.stats?.promptTokens ?? 0) > 0);
  });

  it("tells in the receipt what was read, read again and skipped", async () => {
    const { coverage } = await ask(QUESTION, { model: reader(saysYear) });
    const text = FILES["history.md"].length + FILES["food.md"].length;
    assert.equal(coverage.tokensTotal, text);
    assert.equal(coverage.tokensSearched, text);
    assert.ok(coverage.tokensReread > 100 && coverage.tokensReread <= text);
    assert.match(coverage.skipped[0]?.path ?? "", /pic\.png$/);
  });

  it("never gives an answer that does not stand in the passage", async () => {
    const answer = await ask(QUESTION, { model: reader(() => " 2001 [1]") });
    assert.equal(answer.found, false);
    assert.deepEqual(answer.citations, []);
  });

  it("finds nothing when the model refuses every passage", async () => {
    const answer = await ask(QUESTION, { model: reader(() => " not in the text") });
    assert.equal(answer.found, false);
    assert.deepEqual(answer.citations, []);
    assert.equal(answer.answer, "The model found no answer in the text.");
    assert.match(
      answer.notes?.join() ?? "",
      /^Nearest: “The parliament of Atlantis was established in 1999 by Queen Mara\.” \(\S*history\.md:4\)/,
    );
  });

  it("quotes the nearest sentence, and says so, when the model is unsure which one was asked for", async () => {
    const asked = "Quote when the parliament of Atlantis was established by Queen Mara.";
    const answer = await ask(asked, { model: reader(saysYear, { nll: 2 }) });
    assert.equal(answer.found, true);
    assert.match(answer.answer, /^“The parliament of Atlantis was established in 1999 .*”$/);
    assert.equal(answer.citations[0]?.verified, false);
    assert.equal(answer.citations[0]?.origin, "passage");
    assert.match(answer.notes?.join() ?? "", /not sure/);
  });

  it("gives a verified answer that it is less sure of, and says that, too", async () => {
    const answer = await ask(QUESTION, { model: reader(saysYear, { nll: 2 }) });
    assert.equal(answer.answer, "1999");
    assert.equal(answer.citations[0]?.verified, true);
    assert.match(answer.notes?.join() ?? "", /not sure of this answer/);
    const files = {
      "a.md":
        "The parliament was opened in 1999. The parliament was opened in 2001. The parliament was opened in 2004.\n",
    };
    const torn = await ask("When was the parliament opened?", {
      ...{ files, model: reader(() => "", { unsaid: -0.4 }) },
    });
    assert.match(torn.answer, /^\d{4}$/);
    assert.match(torn.notes?.join() ?? "", /not sure of this answer/);
    const sure = await ask(QUESTION, { model: reader(saysYear, { nll: 0.4 }) });
    assert.equal(sure.answer, "1999");
    assert.equal(sure.notes, undefined);
  });

  it("lets the nearest sentence tell whether something is so", async () => {
    const model = reader(saysYear);
    const answer = await ask("Was the parliament of Atlantis established by Queen Mara?", {
      model,
    });
    assert.equal(answer.found, true);
    assert.match(answer.answer, /^“The parliament of Atlantis was established in 1999 .*”$/);
    assert.match(answer.notes?.join() ?? "", /for you to judge/);
    assert.deepEqual(model.prompts, []);
    await ask("Was the parliament of Atlantis established in 1999 or in 1931?", { model });
    assert.equal(model.prompts.length, 1, "one of the two stands there");
  });

  it("quotes the sentence that is asked for by its words", async () => {
    const asked = "Which sentence says that the parliament was established in 1999?";
    const answer = await ask(asked, { model: reader(() => " Queen Mara [1]") });
    assert.match(answer.answer, /^“The parliament of Atlantis was established in 1999 .*”$/);
    assert.equal(answer.citations[0]?.startLine, 4);
  });

  it("refuses a question that the text only seems to answer, and shows what is near", async () => {
    const asked = "Which parliament of Atlantis was never established by Queen Mara?";
    // The model would rather refuse either question; the words around decide.
    const torn = () => ({ model: reader(() => " not in the text", { unsaid: -0.5 }) });
    assert.equal((await ask(QUESTION, torn())).answer, "1999");
    const answer = await ask(asked, torn());
    assert.equal(answer.found, false);
    assert.deepEqual(answer.citations, []);
    assert.match(answer.notes?.join() ?? "", /^Nearest: /);
  });

  it("prefers a span that stands near the question's words where the model cannot tell", async () => {
    // The model finds no span likelier than another.
    const answer = await ask(QUESTION, { model: reader(() => " ", { unsaid: -0.5 }) });
    assert.equal(answer.answer, "1999");
    assert.equal(answer.citations[0]?.startLine, 4);
  });

  it("does not run for a question about words that stand nowhere", async () => {
    const model = reader(saysYear);
    const answer = await ask("Who is Napoleon's gardener?", { model });
    assert.equal(answer.found, false);
    assert.equal(answer.answer, "Nothing in the text answers this.");
    assert.equal(answer.notes, undefined);
    assert.deepEqual(model.prompts, []);
  });

  it("understands a follow-up by the question before it", async () => {
    const history = [{ question: QUESTION, answer: "1999" }];
    const model = reader((prompt) =>
      prompt.includes("Queen") ? " Queen Mara [1]" : " not in the text",
    );
    const answer = await ask("And by whom was it established?", { model, params: { history } });
    assert.equal(answer.answer, "Queen Mara");
    assert.equal(answer.citations[0]?.verified, true);
  });

  it("hands over the words it has when stopped, up to the last whole one", async () => {
    const breakOff = { after: 9, error: new StoppedError() };
    const answer = await ask("By whom was the parliament of Atlantis established?", {
      model: reader(() => " Queen Mara [1]", { breakOff }),
    });
    assert.equal(answer.partial, true);
    assert.equal(answer.answer, "Queen");
    assert.equal(answer.citations[0]?.origin, "answer");
    assert.doesNotMatch(answer.notes?.join() ?? "", /sure/);
  });

  it("throws what broke it off where there is nothing to hand over yet", async () => {
    for (const [reply, error] of [
      [" not in the text", new StoppedError()],
      [" Queen Mara [1]", new DeviceLostError("device lost")],
    ] as const) {
      const model = reader(() => reply, { breakOff: { after: 9, error } });
      await assert.rejects(ask(QUESTION, { model }), error);
    }
  });

  it("hands over an answer that was stopped before it was weighed", async () => {
    const model = reader(saysYear);
    const stopped = { ...model, logProbabilities: () => Promise.reject(new StoppedError()) };
    const answer = await ask(QUESTION, { model: stopped });
    assert.equal(answer.partial, true);
    assert.equal(answer.answer, "1999");
    assert.equal(answer.citations[0]?.verified, true);
  });

  it("keeps what an earlier passage said when the device is lost in a later one", async () => {
    const model = reader(saysYear);
    let runs = 0;
    const failing: LanguageModel = {
      ...model,
      generate: (request) => {
        if (++runs > 1) throw new DeviceLostError("device lost");
        return model.generate(request);
      },
    };
    const other = "Once established, trade joined Atlantis to every other parliament by the sea.";
    const files = { "a.md": FILES["history.md"], "b.md": `${other}\n` };
    const answer = await ask(QUESTION, { files, model: failing });
    assert.equal(answer.answer, "1999");
    assert.equal(answer.partial, true);
    assert.match(answer.notes?.join() ?? "", /device lost/);
  });

  it("says when an answer was cut off", async () => {
    const answer = await ask("By whom was the parliament of Atlantis established?", {
      model: reader(() => " Queen Mara [1]"),
      params: { maxTokens: 8 },
    });
    assert.equal(answer.answer, "Queen");
    assert.match(answer.notes?.join() ?? "", /cut off after 8 tokens/);
  });

  it("names the owner, not a fragment of what is owned", async () => {
    const files = { "a.md": "The parliament of Atlantis was Mara's idea, not Bob's.\n" };
    const askWhose = (reply: string) =>
      ask("Whose idea was the parliament of Atlantis?", { files, model: reader(() => reply) });
    const answer = await askWhose(" Mara's [1]");
    assert.equal(answer.answer, "Mara");
    assert.equal(answer.citations[0]?.verified, true);
    assert.equal((await askWhose(" Bob's [1]")).answer, "Bob's", "nothing owned follows it");
  });

  it("throws StoppedError when stopped before there is anything to show", async () => {
    await assert.rejects(
      ask(QUESTION, { model: reader(saysYear), signal: AbortSignal.abort() }),
      StoppedError,
    );
  });
});

describe("answering with a model that follows instructions", () => {
  it("looks up its quotes and streams its words", async () => {
    const streamed: string[] = [];
    const reply = () => '<think>hm</think>Queen Mara did: "established in 1999 by Queen Mara" [2].';
    const answer = await ask(QUESTION, {
      model: chat(reply),
      token: (text) => streamed.push(text),
    });
    assert.equal(answer.found, true);
    assert.doesNotMatch(answer.answer + streamed.join(""), /think|hm/);
    assert.equal(answer.citations[0]?.verified, true);
    assert.equal(answer.citations[0]?.startLine, 4);
  });

  it("marks an answer whose words are not in the text", async () => {
    const answer = await ask(QUESTION, { model: chat(() => 'It says "founded in 2001" [1].') });
    assert.ok(answer.citations.every(({ verified, origin }) => !verified && origin === "passage"));
    assert.match(answer.notes?.join() ?? "", /could be found/);
  });

  it("says when an answer was cut off", async () => {
    const params = { maxTokens: 6 };
    const answer = await ask(QUESTION, { model: chat(() => "It was so, I think."), params });
    assert.match(answer.notes?.join() ?? "", /cut off after 6 tokens/);
    const whole = await ask(QUESTION, { model: chat(() => "It was so.") });
    assert.doesNotMatch(whole.notes?.join() ?? "", /cut off/);
  });

  it("keeps within the model's context, in document order, the question last", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 9 }, (_, i) => [
        `${i}.txt`,
        `Parliament of Atlantis, established, part ${i}. ${"More of it follows here. ".repeat(20)}`,
      ]),
    );
    const model = chat(() => "It is so.", { contextLength: 3000 });
    await ask(QUESTION, { files, model, params: { maxTokens: 200 } });
    const [prompt] = model.prompts;
    assert.ok(prompt && prompt.length <= 2800);
    const shown = [...prompt.matchAll(/part (\d)/g)].map(([, part]) => Number(part));
    assert.ok(shown.length > 1);
    assert.deepEqual(shown, [...shown].sort());
    assert.ok(prompt.indexOf(QUESTION) > prompt.lastIndexOf("part"));
  });

  it("keeps what was written before a stop, marked as partial", async () => {
    const abort = new AbortController();
    let text = "";
    const answer = await ask(QUESTION, {
      model: chat(() => "It was established in 1999, a long time ago."),
      signal: abort.signal,
      token: (piece) => {
        text += piece;
        if (text.endsWith("1999")) abort.abort();
      },
    });
    assert.equal(answer.partial, true);
    assert.equal(answer.answer, "It was established in 1999");
    assert.doesNotMatch(answer.notes?.join() ?? "", /stopped/i, "`partial` says it");
  });

  it("keeps what was written before the engine was lost", async () => {
    for (const error of [new Error("device lost"), new DeviceLostError("device lost")]) {
      const breakOff = { after: 6, error };
      const answer = await ask(QUESTION, { model: chat(() => "It was so.", { breakOff }) });
      assert.equal(answer.partial, true);
      assert.equal(answer.answer, "It was");
      assert.match(answer.notes?.join() ?? "", /device lost/);
    }
  });
});

describe("answering without a model", () => {
  it("quotes the sentences nearest the question", async () => {
    const answer = await ask(QUESTION);
    assert.equal(answer.found, true);
    assert.match(answer.citations[0]?.quote ?? "", /^The parliament of Atlantis was\nestablished/);
    assert.equal(answer.citations[0]?.verified, false);
    assert.equal(answer.stats, undefined);
    assert.equal(answer.coverage.tokensReread, 0, "nothing was read to a model");
  });

  it("finds where a phrase stands, across lines, whatever the case", async () => {
    const answer = await ask('Where does it say "Atlantis was established"?');
    assert.equal(answer.found, true);
    assert.match(answer.answer, /once: .*history\.md:4\./);
    assert.deepEqual([answer.citations[0]?.startLine, answer.citations[0]?.endLine], [4, 5]);
  });

  it("searches a quoted phrase that stands alone exactly, and asks what is not in the text", async () => {
    const answer = await ask('"Atlantis was established"');
    assert.match(answer.answer, /once: .*history\.md:4\./);
    const question = await ask('"When was the parliament of Atlantis established?"');
    assert.equal(question.found, true);
    assert.match(question.answer, /^“The parliament of Atlantis/);
    const misquoted = await ask('"Atlantis was never established"');
    assert.equal(misquoted.found, false);
    assert.match(misquoted.answer, /does not stand in the text/);
  });

  it("counts mentions exactly, and says when there are none", async () => {
    assert.match(
      (await ask("How many times is Atlantis mentioned?")).answer,
      /“Atlantis” stands in the text 2 times/,
    );
    const none = await ask("Is Lemuria mentioned?");
    assert.equal(none.found, false);
    assert.deepEqual(none.citations, []);
  });

  it("is a clear error where there is nothing to read", async () => {
    await assert.rejects(ask(QUESTION, { files: { "a.png": "x" } }), UserError);
  });

  it("finds a planted sentence in War and Peace", async function () {
    const path = testData(this, "texts/war-and-peace-2600-0.txt");
    const answer = await answerQuestion(
      { paths: [path], question: "Who had a cough for some days?" },
      { shelf: new Shelf(), tokenizer: characterTokenizer },
      {},
    );
    assert.ok(
      answer.citations.some(({ quote }) => /Pávlovna had had a cough/.test(quote)),
      answer.answer,
    );
  });
});
