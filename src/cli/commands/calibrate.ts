// `lectern calibrate TEXT`: find out how unlike the dimensions of a model's keys are, once, for `--cache-smoothing`.

import { calibrateModel, calibrationSettings } from "../../engine/calibrateModel.ts";
import { defineCommand } from "../command.ts";
import { readText } from "../input.ts";
import { modelOptions, modelSettings } from "../options.ts";

const { model, adapter, "matrix-units": matrixUnits, "cache-dir": cacheDir } = modelOptions;

export const calibrate = defineCommand({
  summary: "Look at a model's keys on a text, once, for `--cache-smoothing on`.",
  positionals: { usage: "FILE|-", min: 1, max: 1 },
  options: { model, adapter, "matrix-units": matrixUnits, "cache-dir": cacheDir },
  examples: ["chapter.txt", "chapter.txt --model qwen2.5:0.5b"],
  async run({ values, positionals: [file = "-"] }, { engine, observer, signal }) {
    const text = await readText(file);
    const settings = calibrationSettings(modelSettings(values));
    const work = { observer, signal };
    const found = await engine.use(settings, work, (opened, watched) =>
      calibrateModel(opened, text, {
        observer: watched,
        signal,
        cacheDir: settings.cacheDir,
      }),
    );
    const summary = `${found.model} was calibrated on ${found.tokens} tokens: within a layer the largest dimension of keys gets ${found.spread.toFixed(1)} times the divisor of the smallest.\n${found.path}`;
    return { json: found, text: summary };
  },
});
