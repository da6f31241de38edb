// From a question to a checked answer, with a scripted model that copies spans: citations, refusals, stops.

import assert from "node:assert/strict";
import { DeviceLostError, StoppedError, UserError } from "../../../src/engine/errors.ts";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import type { Progress } from "../../../src/protocol.ts";
import { type Script, scriptedModel } from "../../support/scriptedModel.ts";
import { ask, FILES, QUESTION } from "./support/askAbout.ts";

const reader = (reply: Script["reply"], more: Partial<Script> = {}) =>
  scriptedModel({ reply, ...more });
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
    assert.equal(answer.markdown, undefined, "words of the text are no Markdown");
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

  it("says from the beginning which passage it reads", async () => {
    const details: (string | undefined)[] = [];
    const progress = ({ detail }: Progress) => void details.push(detail);
    await ask(QUESTION, { model: reader(saysYear), progress });
    const passages = details.filter((detail) => detail?.includes("passage"));
    assert.match(passages[0] ?? "", /history\.md:\d+-\d+ \(passage 1 of \d\)$/);
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
    assert.match(answer.answer, /^No passage has a word of the question.*ask in other words/);
    assert.equal(answer.notes, undefined);
    assert.deepEqual(model.prompts, []);
  });

  it("refuses a context that no passage fits, and names one that does", async () => {
    const files = { "a.md": "The parliament of Atlantis was established in 1999.\n" };
    const within = (contextLength: number) => {
      const script = reader(saysYear, { contextLength });
      const model = { ...script, trainedContextLength: 100_000 };
      return { asked: ask(QUESTION, { files, model }), prompts: script.prompts };
    };
    const told =
      /^No passage fits the context of (\d+) tokens: .* raise the context length to (\d+)\.$/;
    let needed = 0;
    for (const length of [20, 60, 110, 150]) {
      const { asked, prompts } = within(length);
      await assert.rejects(asked, (error) => {
        assert.ok(error instanceof UserError);
        const [, context, wanted] = told.exec(error.message) ?? assert.fail(error.message);
        assert.equal(Number(context), length);
        needed = Number(wanted);
        return true;
      });
      assert.deepEqual(prompts, []);
    }
    assert.equal((await within(needed).asked).answer, "1999");
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

  it("throws what failed within the engine as it is, whatever an earlier passage said", async () => {
    const error = new Error("a buffer is missing");
    const failing = { ...reader(saysYear), logProbabilities: () => Promise.reject(error) };
    await assert.rejects(ask(QUESTION, { model: failing }), error);
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
