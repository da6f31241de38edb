// Raw completion: a prompt as it is, or as one turn in the model's chat template.

import type { GenerateParams, Generation, SamplingSettings } from "../protocol.ts";
import type { LanguageModel } from "./languageModel.ts";
import type { Work } from "./modelHost.ts";
import { ProgressMeter } from "./progress.ts";
import { encodeChat } from "./tokenizer/encodeChat.ts";

/** Continue `params.prompt`; the result holds the new tokens and their text only. */
export async function generateText(
  model: LanguageModel,
  params: GenerateParams,
  { observer, signal }: Work,
): Promise<Generation> {
  const prefill = new ProgressMeter(observer, "prefill", "tokens");
  const decode = new ProgressMeter(observer, "decode", "tokens");
  const generation = model.generate({
    ...samplingOf(params),
    prompt: await promptTokens(model, params),
    onPrefill: (done, total) => prefill.report(done, total),
    signal,
  });
  const tokens: number[] = [];
  let text = "";
  for (;;) {
    const next = await generation.next();
    if (next.done) return { tokens, text, stats: next.value };
    if (next.value.token !== undefined) tokens.push(next.value.token);
    text += next.value.text;
    observer.token?.(next.value.text);
    decode.report(tokens.length, params.maxTokens ?? 0);
  }
}

async function promptTokens(model: LanguageModel, params: GenerateParams): Promise<number[]> {
  if (!params.chat) return model.tokenizer.encode(params.prompt, { addSpecial: true });
  return encodeChat(model.tokenizer, model.metadata, [{ role: "user", content: params.prompt }]);
}

function samplingOf(params: GenerateParams): SamplingSettings {
  const { prompt: _prompt, chat: _chat, ...settings } = params;
  return settings;
}
