// From a question to a checked answer, with a scripted model that follows instructions.

import assert from "node:assert/strict";
import { DeviceLostError } from "../../../src/engine/errors.ts";
import { type Script, scriptedModel } from "../../support/scriptedModel.ts";
import { ask, QUESTION } from "./support/askAbout.ts";

const CHAT_TEMPLATE =
  "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
const chat = (reply: Script["reply"], more: Partial<Script> = {}) =>
  scriptedModel({ reply, promptFormat: "chat", chatTemplate: CHAT_TEMPLATE, ...more });

describe("answering with a model that follows instructions", () => {
  it("looks up its quotes and streams its words", async () => {
    const streamed: string[] = [];
    const reply = () => '<think>hm</think>Queen Mara did: "established in 1999 by Queen Mara" [2].';
    const answer = await ask(QUESTION, {
      model: chat(reply),
      token: (text) => streamed.push(text),
    });
    assert.equal(answer.found, true);
    assert.equal(answer.markdown, true);
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

  it("refuses a context that no passage fits", async () => {
    const model = chat(() => "It was so.", { contextLength: 300 });
    const asked = ask(QUESTION, { model });
    await assert.rejects(asked, /^UserError: No passage fits the context of 300 tokens/);
    assert.deepEqual(model.prompts, []);
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

  it("keeps what was written before the device was lost, and says so", async () => {
    const breakOff = { after: 6, error: new DeviceLostError("device lost") };
    const answer = await ask(QUESTION, { model: chat(() => "It was so.", { breakOff }) });
    assert.equal(answer.partial, true);
    assert.equal(answer.answer, "It was");
    assert.match(answer.notes?.join() ?? "", /engine was lost .*: device lost/);
  });

  it("throws what failed within the engine as it is: asking again would not help", async () => {
    const breakOff = { after: 6, error: new Error("a buffer is missing") };
    const model = chat(() => "It was so.", { breakOff });
    await assert.rejects(ask(QUESTION, { model }), breakOff.error);
  });
});
