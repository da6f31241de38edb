// The whole engine on a device: a published story token for token, reading in chunks, stopping, rolling back, losing the device.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runModel } from "../../src/engine/answer/runModel.ts";
import { convertModel } from "../../src/engine/convert/convertModel.ts";
import { DeviceLostError, StoppedError, UserError } from "../../src/engine/errors.ts";
import { type Gpu, openGpu } from "../../src/engine/gpu/device.ts";
import type { GenerateRequest, LanguageModel } from "../../src/engine/languageModel.ts";
import { loadModel } from "../../src/engine/loadModel.ts";
import type { ModelSettings, RunStats } from "../../src/protocol.ts";
import { assertClose } from "../support/close.ts";
import { useGpu } from "../support/gpu.ts";
import { pilotPath } from "../support/pilot.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";
import { testData } from "../support/testData.ts";

const PROMPT =
  "[1] history.md:1-2\nThe parliament was established in 1999 after a vote.\n\nQuestion: When was the parliament established?\nAnswer:";

/** More than a fast GPU has done before a test goes on. */
const LONG = { maxTokens: 700, ignoreEnd: true } as const;

interface Result {
  readonly tokens: number[];
  readonly text: string;
  readonly stats: RunStats;
}

describe("a model on the GPU", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  const gpu = useGpu();
  const models: LanguageModel[] = [];
  afterEach(() => {
    for (const model of models.splice(0)) model.dispose();
  });

  async function load(settings: ModelSettings = {}, path = pilotPath) {
    const model = await loadModel(gpu(), path, settings);
    models.push(model);
    return model;
  }

  it("answers from a passage, with its citation, and frees all memory afterwards", async () => {
    const model = await load();
    const { text, stats, tokens } = await generate(model, { prompt: encode(model) });
    assert.match(text, /1999 \[1\]/);
    assert.equal(stats.promptTokens, encode(model).length);
    assert.equal(stats.generatedTokens, tokens.length);
    assert.ok(stats.decodeTokensPerSecond > 0 && stats.prefillTokensPerSecond > 0);
    assert.ok((stats.gpuBytes.weights ?? 0) > 10e6);
    models.pop()?.dispose();
    assert.deepEqual(
      Object.values(gpu().buffers.bytes()).filter((bytes) => bytes !== 0),
      [],
    );
  });

  it("takes the same path from a seed, and another from another", async () => {
    const model = await load();
    const draw = async (seed: number): Promise<number[]> => {
      const sampling = { temperature: 1.5, topK: 200, seed, maxTokens: 12 };
      return (await generate(model, { prompt: encode(model), ...sampling })).tokens;
    };
    const first = await draw(1);
    assert.deepEqual(await draw(1), first);
    assert.notDeepEqual(await draw(2), first);
  });

  it("goes on after an early end exactly as if nothing had run ahead", async () => {
    const model = await load();
    const prompt = encode(model, "The king said to the queen that the");
    const story = await generate(model, { prompt, maxTokens: 30 });
    const kept = story.tokens.slice(0, 7);
    const next = { prompt: [...prompt, ...kept, 300, 301], temperature: 1, seed: 5, maxTokens: 20 };

    const fresh = await load();
    await generate(fresh, { prompt, maxTokens: 7 });
    const expected = await generate(fresh, next);

    const stopped = await load();
    const seen: number[] = [];
    for await (const { token } of stopped.generate({ prompt, maxTokens: 30 })) {
      if (token !== undefined) seen.push(token);
      if (seen.length === kept.length) break;
    }
    assert.deepEqual(seen, kept);
    assert.ok(stopped.cacheStats().tokensKept <= prompt.length + kept.length);
    assert.deepEqual((await generate(stopped, next)).tokens, expected.tokens);
  });

  it("reads only what the cache does not hold yet", async () => {
    const model = await load();
    const prompt = encode(model);
    const first = await generate(model, { prompt });
    const reads: number[] = [];
    const onPrefill = (done: number): void => void reads.push(done);
    const second = await generate(model, { prompt, onPrefill });
    assert.deepEqual(second.tokens, first.tokens);
    assert.deepEqual(reads, [prompt.length]);
    assert.ok(model.cacheStats().tokensRead < 2 * prompt.length);
  });

  it("stops in decoding when asked to, and works afterwards", async () => {
    const model = await load();
    const controller = new AbortController();
    const generation = model.generate({ prompt: encode(model, "Once"), signal: controller.signal });
    for (let i = 0; i < 5; i++) await generation.next();
    controller.abort();
    await assert.rejects(generation.next(), StoppedError);
    assert.match((await generate(model, { prompt: encode(model) })).text, /1999/);
  });

  it("stops in prefill when asked to, and keeps what was read completely", async () => {
    const model = await load({ chunkLength: 16 });
    const prompt = encode(model, PROMPT.repeat(6));
    const controller = new AbortController();
    const onPrefill = (): void => controller.abort();
    const generation = model.generate({ prompt, signal: controller.signal, onPrefill });
    await assert.rejects(generation.next(), StoppedError);
    const { tokensKept } = model.cacheStats();
    assert.ok(tokensKept > 0 && tokensKept < prompt.length, `${tokensKept} of ${prompt.length}`);
    const { tokens } = await generate(model, { prompt, maxTokens: 8 });
    const fresh = await generate(await load(), { prompt, maxTokens: 8 });
    assert.deepEqual(tokens, fresh.tokens);
  });

  it("scores alike whatever the chunks, and beyond the cache's first size", async () => {
    const text = PROMPT.repeat(14);
    const small = await load({ chunkLength: 48 });
    const tokens = encode(small, text).slice(0, 530);
    const whole = await (await load({ chunkLength: 1024 })).scoreTokens(tokens);
    const pieces = await small.scoreTokens(tokens);
    assert.equal(whole.length, tokens.length - 1);
    assertClose(pieces, whole, 2e-3);
  });

  it("tells how likely tokens are behind others, over chunks and behind what is read already", async () => {
    const model = await load({ chunkLength: 48 });
    const tokens = encode(model, PROMPT.repeat(5)).slice(0, 150);
    const scores = await model.scoreTokens(tokens);
    // 60 rows end in one chunk and begin in the one before.
    for (const rows of [60, 1, 5]) {
      const wanted = tokens.slice(-rows).map((token) => [300, token]);
      const found = await model.logProbabilities(tokens.slice(0, -1), wanted);
      assert.deepEqual(new Set(found.map((own) => own.length)), new Set([2]));
      const nll = found.map(([, own = Number.NaN]) => -own);
      assertClose(nll, Array.from(scores.slice(-rows)), 2e-3);
    }
    const continued = [...tokens.slice(0, 100), 300, 301];
    const wanted = [[5, 301], [400]];
    const behind = await model.logProbabilities(continued, wanted);
    assert.equal(model.cacheStats().tokensRead, continued.length);
    const alone = await (await load()).logProbabilities(continued, wanted);
    assertClose(behind.flat(), alone.flat(), 2e-3);
    await assert.rejects(model.logProbabilities([], [[1]]), UserError);
  });

  it("ends at a stop string without showing it, and at the number of tokens", async () => {
    const model = await load();
    const { text } = await generate(model, { prompt: encode(model), stop: ["99"] });
    assert.equal(text, " 1");
    const { tokens } = await generate(model, { prompt: encode(model), maxTokens: 2 });
    assert.equal(tokens.length, 2);
    assert.deepEqual((await generate(model, { prompt: encode(model), maxTokens: 0 })).tokens, []);
  });

  it("refuses prompts that are empty, too long or of another vocabulary", async () => {
    const model = await load({ contextLength: 16 });
    for (const prompt of [[], new Array<number>(17).fill(1), [1, 1e6]])
      await assert.rejects(generate(model, { prompt }), UserError);
    const full = await generate(model, { prompt: encode(model).slice(0, 12) });
    assert.ok(full.tokens.length <= 4);
  });

  it("refuses a prompt that leaves no room for an answer, rather than answer nothing", async () => {
    const model = await load({ contextLength: 6 });
    await assert.rejects(generate(model, { prompt: [1, 400, 401, 402, 403, 404] }), /no room/);
    const { tokens } = await generate(model, { prompt: [1, 400, 401, 402, 403], maxTokens: 9 });
    assert.equal(tokens.length, 1);
  });

  it("goes on past end tokens where it is asked to", async () => {
    const model = await load();
    const prompt = encode(model);
    const whole = await generate(model, { prompt });
    const { tokens } = await generate(model, { prompt, maxTokens: 40, ignoreEnd: true });
    assert.ok(whole.tokens.length < 40);
    assert.equal(tokens.length, 40);
    assert.deepEqual(tokens.slice(0, whole.tokens.length), whole.tokens);
  });

  it("says that the device is gone, and a new one serves the model again", async () => {
    const lost: Gpu = await openGpu();
    const model = await loadModel(lost, pilotPath);
    // Long enough for the loss to come while a fast GPU is still busy with it.
    const generation = model.generate({ prompt: encode(model), ...LONG });
    await generation.next();
    lost.device.destroy();
    const rest = async (): Promise<void> => {
      while (!(await generation.next()).done);
    };
    await assert.rejects(rest(), UserError);
    assert.equal(lost.isLost, true);
    model.dispose();
    lost.dispose();
    assert.match((await generate(await load(), { prompt: encode(model) })).text, /1999/);
  });

  it("keeps the text that was there when the device was lost", async () => {
    const lost: Gpu = await openGpu();
    const model = await loadModel(lost, pilotPath);
    const prompt = encode(model);
    const { text, interruption } = await runModel(model, {
      ...{ prompt, ...LONG },
      onText: () => lost.device.destroy(),
    });
    assert.notEqual(text, "");
    assert.ok(interruption instanceof DeviceLostError);
    model.dispose();
    lost.dispose();
  });

  describe("stories260K", () => {
    const folder = useTemporaryFolder();
    let story: number[];
    let source: string;

    before(function () {
      source = testData(this, "weights/stories260K/stories260K.bin");
      const file = testData(this, "weights/stories260K/expected.json");
      story = JSON.parse(readFileSync(file, "utf8")).greedy_ids_256;
    });

    async function loadStories(type: "f32" | "f16" | "q8_0", cacheType: string) {
      const path = join(folder(), `${type}.gguf`);
      await convertModel(source, path, { type });
      return load({ cacheTypeK: cacheType, cacheTypeV: cacheType }, path);
    }

    it("is written in F32 as published, through step 184", async () => {
      const model = await loadStories("f32", "f32");
      const { tokens } = await generate(model, { prompt: [1], maxTokens: 184 });
      assert.deepEqual(tokens, story.slice(0, 184));
    });

    it("is as likely in F16 and Q8_0, within 0.05 nat a token", async () => {
      const tokens = [1, ...story.slice(0, 184)];
      const exact = await (await loadStories("f32", "f32")).scoreTokens(tokens);
      for (const type of ["f16", "q8_0"] as const) {
        const scores = await (await loadStories(type, "f16")).scoreTokens(tokens);
        const differences = scores.map((score, i) => Math.abs(score - (exact[i] ?? Number.NaN)));
        const mean = differences.reduce((a, b) => a + b) / differences.length;
        assert.ok(mean < 0.05, `${type} is ${mean} nat away`);
      }
    });
  });
});

function encode(model: LanguageModel, text = PROMPT): number[] {
  return model.tokenizer.encode(text, { addSpecial: true });
}

async function generate(model: LanguageModel, request: GenerateRequest): Promise<Result> {
  const generation = model.generate(request);
  const tokens: number[] = [];
  let text = "";
  for (;;) {
    const next = await generation.next();
    if (next.done) return { tokens, text, stats: next.value };
    if (next.value.token !== undefined) tokens.push(next.value.token);
    text += next.value.text;
  }
}
