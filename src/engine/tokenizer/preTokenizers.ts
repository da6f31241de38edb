// How byte-level vocabularies split a text before merging, by `tokenizer.ggml.pre`. To add one, add a row.
// Each is a sequence of regular expressions: every part found by one, and every part between, is split by the next.

import { UserError } from "../errors.ts";

export interface PreTokenizer {
  readonly stages: readonly RegExp[];
  /** A part that is in the vocabulary is one token even where no merges lead to it. */
  readonly ignoresMerges?: boolean;
  /** BOS goes in front where the metadata are silent. */
  readonly addsBos?: boolean;
}

const CONTRACTION = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const TRAILING_SPACE = "\\s+(?!\\S)|\\s+";

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** The shape Llama 3 and Qwen share; `numbers` says how digits are grouped. */
const cl100k = (numbers: string) =>
  `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|${TRAILING_SPACE}`;

const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
/** The shape of GPT-4o and Tekken: words also split where lower case turns into upper case. */
const o200k = (suffix: string, numbers: string) =>
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${suffix}|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${suffix}|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|${TRAILING_SPACE}`;

const ASCII_PUNCTUATION_THEN_LETTERS = "[!\"#$%&'()*+,\\-.\\/:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+";
const CJK_OR_HANGUL = "[\\u4E00-\\u9FA5\\u0800-\\u4E00\\uAC00-\\uD7FF]+";
/** Letters of cased scripts, as DeepSeek LLM lists them. */
const CASED_LETTERS =
  "A-Za-z\\u00B5\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u01BA\\u01BC-\\u01BF\\u01C4-\\u0293\\u0295-\\u02AF\\u0370-\\u0373\\u0376\\u0377\\u037B-\\u037D\\u037F\\u0386\\u0388-\\u038A\\u038C\\u038E-\\u03A1\\u03A3-\\u03F5\\u03F7-\\u0481\\u048A-\\u052F\\u0531-\\u0556\\u10A0-\\u10C5\\u13A0-\\u13F5\\u13F8-\\u13FD\\u1C90-\\u1CBA\\u1CBD-\\u1CBF\\u1D00-\\u1D2B\\u1D6B-\\u1D77\\u1D79-\\u1D9A\\u1E00-\\u1F15\\u1F18-\\u1F1D\\u1F20-\\u1F45\\u1F48-\\u1F4D\\u1F50-\\u1F57\\u1F59\\u1F5B\\u1F5D\\u1F5F-\\u1F7D\\u1F80-\\u1FB4\\u1FB6-\\u1FBC\\u1FBE\\u1FC2-\\u1FC4\\u1FC6-\\u1FCC\\u1FD0-\\u1FD3\\u1FD6-\\u1FDB\\u1FE0-\\u1FEC\\u1FF2-\\u1FF4\\u1FF6-\\u1FFC\\u2102\\u2107\\u210A-\\u2113\\u2115\\u2119-\\u211D\\u2124\\u2126\\u2128\\u212A-\\u212D\\u212F-\\u2134\\u2139\\u213C-\\u213F\\u2145-\\u2149\\u214E\\u2183\\u2184\\u2C00-\\u2C7B\\u2C7E-\\u2CE4\\u2CEB-\\u2CEE\\u2CF2\\u2CF3\\uA640-\\uA66D\\uA680-\\uA69B\\uA722-\\uA76F\\uA771-\\uA787\\uA78B-\\uA78E\\uAB70-\\uABBF\\uFB00-\\uFB06\\uFB13-\\uFB17\\uFF21-\\uFF3A\\uFF41-\\uFF5A\\u{10400}-\\u{1044F}\\u{104B0}-\\u{104D3}\\u{104D8}-\\u{104FB}\\u{10C80}-\\u{10CB2}\\u{10CC0}-\\u{10CF2}\\u{118A0}-\\u{118DF}\\u{1E900}-\\u{1E943}";
const BLOOM = " ?[^(\\s|.,!?\\u2026\\u3002\\uFF0C\\u3001\\u0964\\u06D4\\u060C)]+";

const gpt2 = preTokenizer([GPT2]);
const digitsThenGpt2 = preTokenizer(["\\p{N}", GPT2]);
const llama3 = preTokenizer([cl100k("\\p{N}{1,3}")]);
const llama3WithBos = { ...llama3, ignoresMerges: true, addsBos: true };
const qwen2 = preTokenizer([cl100k("\\p{N}")]);
const gpt4o = preTokenizer([o200k(`(?:${CONTRACTION})?`, "\\p{N}{1,3}")]);
const bloom = preTokenizer([BLOOM]);
const deepseek3 = preTokenizer([
  "\\p{N}{1,3}",
  "[\\u4E00-\\u9FA5\\u3040-\\u30FF]+",
  `${ASCII_PUNCTUATION_THEN_LETTERS}|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|${TRAILING_SPACE}`,
]);

/** Pre-tokenizers by the id files name them with. */
export const PRE_TOKENIZERS = {
  default: preTokenizer(["[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"]),
  "gpt-2": gpt2,
  "phi-2": gpt2,
  mpt: gpt2,
  olmo: gpt2,
  jais: gpt2,
  gigachat: gpt2,
  mellum: gpt2,
  trillion: gpt2,
  exaone4: gpt2,
  "a.x-4.0": gpt2,
  "granite-docling": gpt2,
  smollm: digitsThenGpt2,
  starcoder: digitsThenGpt2,
  refact: digitsThenGpt2,
  "command-r": digitsThenGpt2,
  codeshell: digitsThenGpt2,
  exaone: digitsThenGpt2,
  "minerva-7b": digitsThenGpt2,
  mellum2: digitsThenGpt2,
  "llama-bpe": llama3WithBos,
  llama3: llama3WithBos,
  "llama-v3": llama3WithBos,
  falcon3: llama3WithBos,
  "falcon-h1": llama3WithBos,
  pixtral: llama3WithBos,
  lfm2: llama3WithBos,
  "midm-2.0": llama3WithBos,
  dbrx: llama3,
  "smaug-bpe": llama3,
  "chatglm-bpe": llama3,
  glm4: llama3,
  qwen2: qwen2,
  "deepseek-r1-qwen": qwen2,
  stablelm2: qwen2,
  megrez: qwen2,
  hunyuan: qwen2,
  "grok-2": qwen2,
  "solar-open": qwen2,
  qwen35: preTokenizer([
    `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|${TRAILING_SPACE}`,
  ]),
  "gpt-4o": gpt4o,
  llama4: gpt4o,
  kanana2: gpt4o,
  "minimax-m2": gpt4o,
  tekken: {
    ...preTokenizer([o200k("", "\\p{N}")]),
    ignoresMerges: true,
    addsBos: true,
  },
  falcon: preTokenizer(["[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"]),
  "deepseek-llm": preTokenizer([
    "[\\r\\n]",
    `\\s?[${CASED_LETTERS}]+`,
    "\\s?[!-\\/:-~\\uFF01-\\uFF0F\\uFF1A-\\uFF5E\\u2018-\\u201F\\u3000-\\u3002]+",
    // The look-behind changes no match; it keeps the search linear in long runs of spaces.
    "(?<!\\s)\\s+$",
    CJK_OR_HANGUL,
    "\\p{N}+",
  ]),
  "deepseek-coder": preTokenizer([
    "[\\r\\n]",
    "\\s?\\p{L}+",
    "\\s?\\p{P}+",
    CJK_OR_HANGUL,
    "\\p{N}",
  ]),
  "deepseek-v3": deepseek3,
  "hunyuan-dense": deepseek3,
  "joyai-llm": deepseek3,
  bloom,
  "poro-chat": bloom,
  "gpt3-finnish": bloom,
  viking: preTokenizer([BLOOM, "\\p{N}"]),
  bailingmoe: preTokenizer([
    `'[sSdDmMtT]|'[lL][lL]|'[vV][eE]|'[rR][eE]|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|${TRAILING_SPACE}`,
  ]),
  "seed-coder": preTokenizer([
    `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|${TRAILING_SPACE}`,
  ]),
} as const satisfies Readonly<Record<string, PreTokenizer>>;

/** The pre-tokenizer that `tokenizer.ggml.pre` names. Throws UserError for one we do not know: a guess would be a wrong model. */
export function findPreTokenizer(id: unknown): PreTokenizer {
  if (id === undefined)
    throw new UserError(
      "The model does not say how its tokenizer splits text (tokenizer.ggml.pre): an old tool converted it. Get a newer conversion.",
    );
  const table: Readonly<Record<string, PreTokenizer>> = PRE_TOKENIZERS;
  const found = Object.hasOwn(table, String(id)) ? table[String(id)] : undefined;
  if (found !== undefined) return found;
  throw new UserError(
    `The model's pre-tokenizer "${String(id)}" is not supported; choose a model with one of: ${Object.keys(table).join(", ")}.`,
  );
}

/** Calls `onPart` for each part of `text`, in order; together they are the text. */
export function splitText(
  { stages }: PreTokenizer,
  text: string,
  onPart: (part: string) => void,
): void {
  splitByStage(stages, 0, text, onPart);
}

function splitByStage(
  stages: readonly RegExp[],
  index: number,
  text: string,
  onPart: (part: string) => void,
): void {
  const stage = stages[index];
  if (stage === undefined) {
    onPart(text);
    return;
  }
  let start = 0;
  try {
    for (const match of text.matchAll(stage)) {
      if (match.index > start)
        splitByStage(stages, index + 1, text.slice(start, match.index), onPart);
      splitByStage(stages, index + 1, match[0], onPart);
      start = match.index + match[0].length;
    }
    if (start < text.length) splitByStage(stages, index + 1, text.slice(start), onPart);
  } catch (error) {
    if (!isStackOverflow(error) || text.length <= WINDOW) throw error;
    for (const window of windows(text, start)) splitByStage(stages, index, window, onPart);
  }
}

/** V8 keeps a stack entry per character of a match; a single word of some four million characters overflows it. */
function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes("call stack");
}

const WINDOW = 2 ** 20;

function* windows(text: string, from: number): Generator<string> {
  for (let start = from; start < text.length; ) {
    const end = start + WINDOW;
    const splitsPair = (text.codePointAt(end - 1) ?? 0) > 0xffff;
    yield text.slice(start, splitsPair ? end + 1 : end);
    start = splitsPair ? end + 1 : end;
  }
}

/** JavaScript's \s differs from Unicode's White_Space (U+0085, U+FEFF), which all of these vocabularies mean. */
function preTokenizer(patterns: readonly string[]): PreTokenizer {
  return {
    stages: patterns.map(
      (pattern) =>
        new RegExp(
          pattern.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}"),
          "gu",
        ),
    ),
  };
}
