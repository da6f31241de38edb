// `lectern perplexity`: how well a model predicts a text, token by token (teacher-forced).

import { UserError } from "../../engine/errors.ts";
import { ProgressMeter } from "../../engine/progress.ts";
import { defineCommand, UsageError } from "../command.ts";
import { parseTokens, readText } from "../input.ts";
import { modelOptions, modelSettings } from "../options.ts";

export const perplexity = defineCommand({
  summary: "Measure how well the model predicts a text: negative log-likelihood by token.",
  positionals: { usage: "[FILE|-]", min: 0, max: 1 },
  options: {
    tokens: {
      type: "string",
      value: "FILE.json",
      description:
        "Token ids instead of a text, used as they are. A text gets BOS where the model wants it.",
    },
    ...modelOptions,
  },
  examples: ["chapter.txt", "--tokens tokens.json --json"],
  async run({ values, positionals: [file] }, { engine, observer, signal }) {
    if ((file === undefined) === (values.tokens === undefined))
      throw new UsageError("give either a text FILE or --tokens FILE.json.");
    const source = values.tokens ?? file ?? "";
    const text = await readText(source);
    const nll = await engine.use(modelSettings(values), { observer, signal }, ({ model }) => {
      const { tokenizer } = model;
      const tokens =
        values.tokens === undefined
          ? tokenizer.encode(text, { addSpecial: true })
          : parseTokens(text, source, tokenizer.vocabSize);
      if (tokens.length < 2)
        throw new UserError(`${source} has fewer than two tokens: nothing to predict.`);
      const meter = new ProgressMeter(observer, "prefill", "tokens");
      return model.scoreTokens(tokens, {
        onPrefill: (done, total) => meter.report(done, total),
        signal,
      });
    });
    const meanNll = nll.reduce((sum, value) => sum + value, 0) / nll.length;
    const result = { nll: [...nll], meanNll, perplexity: Math.exp(meanNll) };
    const summary = `${nll.length} tokens, mean ${meanNll.toFixed(4)} nats, perplexity ${result.perplexity.toFixed(3)}`;
    return { json: result, text: summary };
  },
});
