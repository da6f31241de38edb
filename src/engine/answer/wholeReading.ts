// Documents as one long prompt without its question: every passage in the model's own prompt format, up to where the question
// begins. Made without an adapter, so that the cache can be planned by the length before the model is loaded.

import type { ModelSettings, Passage } from "../../protocol.ts";
import { cacheAllocationOf } from "../cache/allocations/index.ts";
import { DUAL_CHUNK } from "../cache/dualChunk.ts";
import { cachePolicyOf } from "../cache/policies/index.ts";
import { positionSchemeOf } from "../cache/positionSchemes.ts";
import { AUTO } from "../cache/types.ts";
import type { SourceDocument } from "../documents/document.ts";
import { UserError } from "../errors.ts";
import type { DecoderConfig } from "../model/decoderConfig.ts";
import { openModel } from "../model/loadWeights.ts";
import { resolveModel } from "../model/models.ts";
import { ropeScalingOf } from "../model/rope/index.ts";
import { DEFAULT_CONTEXT_LENGTH } from "../modelSettings.ts";
import { createTokenizer } from "../tokenizer/createTokenizer.ts";
import { splitPassages, type TextPassage } from "./passages.ts";
import { choosePromptFormat } from "./promptFormats/index.ts";
import type { PromptFormat, PromptModel } from "./promptFormats/promptFormat.ts";
import { toPrompt } from "./readTogether.ts";

/** Questions that have nothing in common: what their prompts share does not depend on the question. */
const PROBES = ["Who?", "9 lives", "(x)", "élan"];
/** Tokens that a question and its answer take, for models that copy spans and for those that write. */
const QUESTION_ROOM = { span: 80, text: 768 };
/** A cache of every token beyond this is too large to be the default. */
const LONGEST_FULL = 36_864;
/**
 * Nor beyond so many times the trained length: on a GPU a text of eight times it with its headings, since positions stretched further
 * were not measured, see test/bench/NOTES.md. A software adapter would read it for more than a quarter of an hour.
 */
const MOST_STRETCHED = { hardware: 9, software: 4 };
/** Tokens kept, and tokens recalled, in whole steps up to that many. */
const MOST_TOKENS = 4096;
const STEP = 64;
/** Of the positions a model was trained on. Recalling more than is kept finds more: see test/bench/NOTES.md. */
const KEPT_SHARE = 0.3;
const RECALLED_SHARE = 0.6;
const BOUNDED_CHUNK = 256;

export interface WholeReading {
  readonly format: PromptFormat;
  /** Citation n is of passages[n − 1]. */
  readonly passages: readonly TextPassage[];
  /** Tokens of the prompt in front of the question. */
  readonly prefix: readonly number[];
  /** The given settings, with a bounded cache where the prefix needs one. */
  readonly settings: ModelSettings;
  /** Tokens an answer may take. */
  readonly maxAnswerTokens: number;
  /** Tokens of the whole prompt, which begin with `prefix`. */
  promptFor(question: string): Promise<number[]>;
}

/**
 * Plan the reading of whole documents. `runsOnSoftware` says whether the adapter is a CPU; it is asked only where that matters.
 * @throws UserError for models that cannot be used and documents without text
 */
export async function planWholeReading(
  documents: readonly SourceDocument[],
  settings: ModelSettings,
  runsOnSoftware: () => Promise<boolean> = async () => false,
): Promise<WholeReading> {
  const passages = documents.flatMap(splitPassages);
  if (passages.length === 0) throw new UserError("The documents hold no text: name others.");
  const file = await openModel(await resolveModel(settings.model));
  try {
    const metadata = file.file.metadata.values;
    const model = { tokenizer: createTokenizer(metadata), metadata };
    const format = choosePromptFormat(metadata);
    const { prefix, suffixOf } = await splitPrompt(model, format, passages);
    const room = format.instruct ? QUESTION_ROOM.text : QUESTION_ROOM.span;
    const tokens = prefix.length + room;
    const trained = file.config.trainedContextLength;
    const isSlow = tokens > MOST_STRETCHED.software * trained && (await runsOnSoftware());
    return {
      format,
      passages,
      prefix,
      settings: planSettings(
        { cacheTypeK: AUTO, cacheTypeV: AUTO, ...settings },
        {
          ...{ tokens, trained, room },
          longestStretched: isStretched(file.config, settings)
            ? trained * MOST_STRETCHED[isSlow ? "software" : "hardware"]
            : 0,
        },
      ),
      maxAnswerTokens: format.instruct ? 512 : 48,
      promptFor: async (question) => [...prefix, ...(await suffixOf(question))],
    };
  } finally {
    await file.close();
  }
}

async function splitPrompt(
  model: PromptModel,
  format: PromptFormat,
  passages: readonly TextPassage[],
) {
  const shown = passages.map((passage) => toPrompt({ ...passage, score: 0 }));
  const build = async (of: readonly Passage[], question: string) => {
    const request = { question, passages: of, history: [], maxTokens: Number.MAX_SAFE_INTEGER };
    return (await format.build(model, request)).tokens;
  };
  // Where the question begins shows behind one passage as well as behind all of them.
  const last = shown.slice(-1);
  const [first = [], ...others] = await Promise.all(PROBES.map((probe) => build(last, probe)));
  const common = Math.min(...others.map((tokens) => sharedLength(first, tokens)));
  const whole = await build(shown, PROBES[0] ?? "");
  return {
    prefix: whole.slice(0, whole.length - (first.length - common)),
    suffixOf: async (question: string) => (await build(last, question)).slice(common),
  };
}

function sharedLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** Whether positions beyond the trained ones bring about another scaling than those within, one that reaches them. */
function isStretched({ layers }: DecoderConfig, { ropeScaling }: ModelSettings): boolean {
  const rope = layers.find(({ slidingWindow }) => !slidingWindow)?.rope;
  const scalingFor = (positions: number) => rope && ropeScalingOf(ropeScaling, rope, { positions });
  return scalingFor(Number.POSITIVE_INFINITY) !== scalingFor(0);
}

/**
 * Where nothing was asked for: a text that does not fit is kept whole at stretched positions; of a longer one sinks and its end
 * stay, at positions the model was trained on, and twice as much of what was evicted may come back for a question.
 */
function planSettings(settings: ModelSettings, needs: Needs): ModelSettings {
  const { cachePolicy, cacheBudget, cacheRecall, contextLength } = settings;
  const longest = contextLength ?? Math.min(needs.trained, LONGEST_FULL);
  if (cachePolicy !== undefined || settings.positionScheme === DUAL_CHUNK)
    return withRoom(settings, needs);
  if (cacheBudget === undefined && needs.tokens <= longest) {
    // Nothing is evicted, so nothing has to come back.
    const { cacheRecall: _, ...rest } = settings;
    return needs.tokens > (contextLength ?? DEFAULT_CONTEXT_LENGTH)
      ? { ...rest, contextLength: longest }
      : rest;
  }
  const stretched = Math.min(needs.longestStretched, LONGEST_FULL);
  const isFree = [cacheBudget, cacheRecall, contextLength].every((set) => set === undefined);
  if (isFree && needs.tokens <= stretched)
    return { ...settings, contextLength: Math.min(powerOfTwo(needs.tokens), stretched) };
  const chunkLength = settings.chunkLength ?? BOUNDED_CHUNK;
  const free = needs.trained - needs.room;
  const budget =
    cacheBudget ?? Math.max(STEP, inSteps(Math.min(KEPT_SHARE * free, free - chunkLength)));
  // Heads that compete do so by scores, and hold different numbers of tokens, to which none come back.
  const [, { among }] = cacheAllocationOf(settings.cacheAllocation ?? "uniform");
  const recall =
    cacheRecall ?? (among === "head" ? inSteps(Math.min(RECALLED_SHARE * free, free - budget)) : 0);
  return withRoom(
    {
      ...settings,
      chunkLength,
      cachePolicy: among === "head" ? "streaming-llm" : "h2o",
      cacheBudget: budget,
      cacheRecall: recall,
      positionScheme: settings.positionScheme ?? "in-cache",
    },
    needs,
  );
}

function inSteps(tokens: number): number {
  return Math.max(0, Math.min(MOST_TOKENS, Math.floor(tokens / STEP) * STEP));
}

interface Needs {
  /** Of the text, a question and an answer. */
  readonly tokens: number;
  /** Length the model was trained on. */
  readonly trained: number;
  /** Of a question and an answer. */
  readonly room: number;
  /** Tokens up to which stretched positions serve; 0 where none are. */
  readonly longestStretched: number;
}

/** No less than `tokens`, so that the model is not loaded anew for every document. */
function powerOfTwo(tokens: number): number {
  return 2 ** Math.ceil(Math.log2(tokens));
}

/** Positions within the cache do not grow with the text: its context may be as long as the text needs. */
function withRoom(settings: ModelSettings, { tokens, trained }: Needs): ModelSettings {
  const [, policy] = cachePolicyOf(settings.cachePolicy);
  const [, scheme] = positionSchemeOf(settings.positionScheme ?? policy.positionScheme);
  const isUnlimited = settings.positionScheme === DUAL_CHUNK || (policy.evicts && scheme.movesKeys);
  const given = settings.contextLength ?? Math.min(trained, DEFAULT_CONTEXT_LENGTH);
  if (!isUnlimited || tokens <= given) return settings;
  return { ...settings, contextLength: powerOfTwo(tokens) };
}
