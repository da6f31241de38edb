// The span pointer beside PyTorch's, and what it looks at.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { pointSpans } from "../../../../src/engine/answer/pointer/pointerNetwork.ts";
import type { PointerWeights } from "../../../../src/engine/answer/pointer/pointerWeights.ts";
import { Pointing } from "../../../../src/engine/answer/pointer/pointing.ts";
import { placeTokens } from "../../../../src/engine/answer/pointer/tokenPlaces.ts";
import { wordFlags } from "../../../../src/engine/answer/pointer/wordFlags.ts";
import { UserError } from "../../../../src/engine/errors.ts";
import { openModel } from "../../../../src/engine/model/loadWeights.ts";
import { embeddedModelPath } from "../../../../src/engine/resources.ts";
import { createTokenizer } from "../../../../src/engine/tokenizer/createTokenizer.ts";
import { assertClose } from "../../../support/close.ts";

interface Golden {
  readonly weights: Readonly<Record<string, readonly number[]>>;
  readonly cases: readonly Readonly<Record<string, readonly number[]>>[];
}

const file = new URL("pointerNetwork.golden.json", import.meta.url);
// Written by the script beside it.
const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;
const LONGEST = 20;
const weights: PointerWeights = {
  layers: [0],
  longest: LONGEST,
  epsilon: 1e-6,
  tensors: new Map(
    Object.entries(golden.weights).map(([name, values]) => [name, Float32Array.from(values)]),
  ),
};

const inputOf = (of: Readonly<Record<string, readonly number[]>>) => ({
  passage: Float32Array.from(of.passage ?? []),
  question: Float32Array.from(of.question ?? []),
  flags: Float32Array.from(of.flags ?? []),
  questionFlags: Float32Array.from(of.questionFlags ?? []),
});

describe("the span pointer", () => {
  for (const [number, expected] of golden.cases.entries())
    it(`points where PyTorch's does, case ${number + 1}`, () => {
      const found = pointSpans(weights, inputOf(expected));
      assertClose(found.start, expected.start ?? [], 1e-4);
      assertClose(found.end, expected.end ?? [], 1e-4);
      assertClose([found.none], expected.none ?? [], 1e-4);
      const places = [...found.start.keys()].map((i) => ({ start: i, end: i + 1 }));
      const pointing = new Pointing(places, found, LONGEST);
      assertClose([pointing.answered + found.none], expected.total ?? [], 1e-4);
    });

  it("gives every span of up to twenty-one tokens its share, and the rest to none", () => {
    const [, , expected = {}] = golden.cases;
    const found = pointSpans(weights, inputOf(expected));
    const places = [...found.start.keys()].map((i) => ({ start: i, end: i + 1 }));
    const pointing = new Pointing(places, found, LONGEST);
    let sum = 0;
    for (const first of places.keys())
      for (let last = first; last <= Math.min(first + LONGEST, places.length - 1); last++)
        sum += Math.exp(pointing.lnSpan({ start: first, end: last + 1 }));
    assertClose([sum], [1 / (1 + Math.exp(-pointing.answered))], 1e-6);
    assert.ok(sum < 1);
    assert.equal(pointing.lnSpan({ start: 90, end: 99 }), Number.NEGATIVE_INFINITY);
  });

  it("counts a span down to e^-4 of its passage's, and a passage as far as it has an answer", () => {
    const places = [0, 1, 2].map((i) => ({ start: i, end: i + 1 }));
    const output = { start: Float32Array.of(9, 0, -9), end: Float32Array.of(9, 0, -9), none: 20 };
    const pointing = new Pointing(places, output, LONGEST);
    const lnAnswered = pointing.lnSpan({ start: 0, end: 1 });
    assertClose([pointing.support({ start: 0, end: 1 })], [lnAnswered], 1e-3);
    assertClose([pointing.support({ start: 2, end: 3 })], [lnAnswered - 4], 1e-3);
    assertClose([pointing.support({ start: 8, end: 9 })], [lnAnswered - 4], 1e-3);
  });

  it("says which matrix a file lacks", () => {
    const tensors = new Map(weights.tensors);
    tensors.delete("first.weight_hh_l0_reverse");
    const [expected = {}] = golden.cases;
    assert.throws(
      () => pointSpans({ ...weights, tensors }, inputOf(expected)),
      (error) => error instanceof UserError && /first\.weight_hh_l0_reverse/.test(error.message),
    );
  });
});

describe("tokens of a text in a prompt", () => {
  it("stand for its characters, those of several bytes for the first of their tokens", async () => {
    const opened = await openModel(embeddedModelPath());
    const tokenizer = createTokenizer(opened.file.metadata.values);
    await opened.close();
    const text = "Übér “quotes” — naïve 東京 𝕏 end.";
    const tokens = tokenizer.encode(`[1] a.md:1-2\n${text}\n\nQuestion: Who?\nAnswer:`, {
      addSpecial: true,
    });
    const placed = placeTokens(tokenizer, tokens, text);
    assert.ok(placed);
    const { first, places } = placed;
    assert.equal(places.map(({ start, end }) => text.slice(start, end)).join(""), text);
    assert.ok(
      places.some(({ start, end }) => start === end),
      "bytes behind a character's first",
    );
    assert.match(tokenizer.decode(tokens.slice(first)), /^Übér/);
    assert.equal(placeTokens(tokenizer, tokens, "another text"), undefined);
  });

  it("know what their words have to do with the question", () => {
    const text = "The parliaments met in 1999.";
    const places = [...text.matchAll(/\S+?(?=\W|$)|\W/g)].map(({ 0: word, index }) => ({
      start: index,
      end: index + word.length,
    }));
    const flags = wordFlags(text, places, "When did the parliamentary session of 1999 meet?");
    const of = (word: string) => {
      const i = places.findIndex(({ start, end }) => text.slice(start, end) === word);
      return [...flags.subarray(5 * i, 5 * i + 5)];
    };
    // In the question, one of its content words, a form of one, capitalised, a number.
    assert.deepEqual(of("The"), [1, 0, 0, 1, 0]);
    assert.deepEqual(of("parliaments"), [0, 0, 1, 0, 0]);
    assert.deepEqual(of("met"), [0, 0, 0, 0, 0]);
    assert.deepEqual(of("1999"), [1, 1, 0, 0, 1]);
    assert.deepEqual(of(" "), [0, 0, 0, 0, 0]);
  });
});
