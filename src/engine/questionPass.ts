// Reads the last tokens of a prompt, the question, with evicted tokens brought back for it: layer by layer, since a layer's
// queries choose what that layer attends to.

import type { Recall } from "./cache/recall/recall.ts";
import { throwIfStopped } from "./errors.ts";
import { writeStep } from "./model/step.ts";
import type { Prefill, PrefillModel, PrefillOptions } from "./prefill.ts";

/** What the cache held before a question. */
interface BeforeQuestion {
  readonly tokens: number;
  /** Slots that recalled tokens take in the heads of each layer. */
  readonly recalled: readonly number[];
}

/** Last tokens of a prompt whose queries choose what comes back. */
const QUESTION_TOKENS = 64;

/** Reads a prompt as `Prefill` does; its end as a question, where evicted tokens may come back for it. */
export class PromptReader {
  readonly #model: PrefillModel;
  readonly #prefill: Prefill;
  #before: BeforeQuestion | undefined;

  constructor(model: PrefillModel, prefill: Prefill) {
    this.#model = model;
    this.#prefill = prefill;
  }

  /** See Prefill.run. `forget` must follow, whatever happens. */
  async run(tokens: readonly number[], first: number, options: PrefillOptions): Promise<number> {
    const { recall, activations } = this.#model.decoder;
    if (recall === undefined) return this.#prefill.run(tokens, first, options);
    const length = Math.min(QUESTION_TOKENS, activations.chunkLength);
    const question = Math.max(first, tokens.length - length);
    if (question > first) await this.#prefill.run(tokens.slice(0, question), first, options);
    const ids = tokens.slice(question);
    this.#before = await readQuestion({ ...this.#model, recall }, ids, options.signal);
    await options.onChunk?.(question, ids.length);
    return ids.length;
  }

  /** Take away what came back, and all that was read behind it: the cache is as it was before the question. */
  forget(): void {
    if (this.#before) forgetRecalled(this.#model, this.#before);
    this.#before = undefined;
  }
}

/** Append `ids` to the cache, behind the evicted tokens that their queries choose. On an error the cache is as before. */
async function readQuestion(
  model: PrefillModel & { readonly recall: Recall },
  ids: readonly number[],
  signal?: AbortSignal,
): Promise<BeforeQuestion> {
  const { gpu, decoder, cache, recall } = model;
  const recalled = await recall.begin(cache, ids.length);
  const before = { tokens: cache.tokensRead, recalled };
  cache.recalled(recalled);
  try {
    gpu.buffers.write(decoder.activations.tokens, 0, Uint32Array.from(ids));
    writeStep(gpu, decoder.chunkStep, {
      numTokens: ids.length,
      firstPosition: cache.nextPosition,
      firstSlot: cache.length,
    });
    for (const layer of cache.layers.keys()) {
      throwIfStopped(signal);
      const [queries, rest] = decoder.splitLists(layer, ids.length, cache.length + ids.length);
      model.gpu.submit([queries]);
      const ranks = await decoder.bring(recall, layer);
      if (ranks !== undefined) turnByRank(model, layer, ranks);
      model.gpu.submit([rest]);
    }
    cache.append(ids);
    await gpu.finished();
  } catch (error) {
    forgetRecalled(model, before);
    throw error;
  }
  return before;
}

function forgetRecalled(model: PrefillModel, { tokens, recalled }: BeforeQuestion): void {
  const { gpu, decoder, cache } = model;
  cache.forget(tokens, recalled);
  if (gpu.isLost) return;
  // Kept keys were turned by their ranks among the recalled ones.
  for (const [layer, slots] of recalled.entries())
    if (slots > 0) model.gpu.submit([decoder.rotateList(layer)]);
}

function turnByRank(model: PrefillModel, layer: number, ranks: Uint32Array): void {
  const { gpu, decoder } = model;
  const buffer = gpu.buffers.upload("activations", ranks);
  model.gpu.submit([decoder.rotateList(layer, buffer)]);
  gpu.buffers.release(buffer);
}
