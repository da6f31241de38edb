import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../../src/engine/errors.ts";
import { renderChatTemplate } from "../../../src/engine/tokenizer/chatTemplate.ts";
import { renderTemplate } from "../../../src/engine/tokenizer/renderTemplate.ts";
import { testData } from "../../support/testData.ts";

interface Golden {
  readonly values: Readonly<Record<string, unknown>>;
  readonly conversations: Readonly<Record<string, unknown>>;
  /** By template, then by conversation; null: the template refuses it. */
  readonly hashes: Readonly<Record<string, Readonly<Record<string, string | null>>>>;
}

const golden: Golden = JSON.parse(
  readFileSync(new URL("chatTemplate.golden.json", import.meta.url), "utf8"),
);

describe("renderTemplate", () => {
  for (const [file, hashes] of Object.entries(golden.hashes))
    it(`renders ${file} as Jinja does`, function () {
      const folder = testData(this, "chat-templates/llama.cpp-jinja");
      // The day of the test must not matter; the library's own function cannot be replaced.
      const template = readFileSync(join(folder, file), "utf8").replaceAll(
        "strftime_now",
        "fixed_date",
      );
      for (const [name, hash] of Object.entries(hashes)) {
        const { values } = golden;
        const fixed = { ...values, fixed_date: () => values.date_string };
        const messages = golden.conversations[name];
        const variants = [null, []].map((tools) => ({ ...fixed, messages, tools }));
        const result = renderTemplate({ template, variants });
        if (hash === null) assert.equal(result.state, "failed", name);
        else if (result.state === "failed") assert.fail(`${name}: ${result.reason}`);
        else assert.equal(createHash("sha256").update(result.text).digest("hex"), hash, name);
      }
    });

  it("takes the first values a template accepts, and says which", () => {
    const template = "{% if not tools %}{{ raise_exception('no tools') }}{% endif %}{{ tools }}";
    const request = { template, variants: [{ tools: "" }, { tools: "b" }] };
    assert.deepEqual(renderTemplate(request), { state: "rendered", text: "b", variant: 1 });
  });
});

describe("renderChatTemplate", () => {
  const attacks: Readonly<Record<string, readonly [string, RegExp]>> = {
    "loops for ever": [
      "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
      /ran for 2 s/,
    ],
    "builds a huge range": ["{% for i in range(1000000000) %}{% endfor %}", /too much memory|2 s/],
    "doubles a list": [
      "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
      /too much memory|2 s/,
    ],
    "writes without end": [
      "{% set ns = namespace(t='ab') %}{% for i in range(22) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}",
      /more than 1048576 characters/,
    ],
    "reaches for the constructor": [
      "{{ messages.constructor.constructor('return process')() }}",
      /not a function/,
    ],
    "is no template": ["{% for %}", /Unexpected token/],
    "refuses the conversation": ["{{ raise_exception('No system role!') }}", /No system role!/],
  };
  for (const [what, [template, reason]] of Object.entries(attacks))
    it(`ends a template that ${what} with one line`, async () => {
      await assert.rejects(
        renderChatTemplate({ template, variants: [{ messages: [] }] }),
        (error) =>
          error instanceof UserError &&
          reason.test(error.message) &&
          !error.message.includes("\n") &&
          error.message.length < 400,
      );
    });

  it("shows a template nothing of the host through __class__", async () => {
    const template = "{{ ''.__class__ }}|{{ ''['constructor'] }}|{{ messages.__proto__ }}";
    const { text } = await renderChatTemplate({ template, variants: [{ messages: [] }] });
    assert.equal(text, "||");
  });
});
