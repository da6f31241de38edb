// How well the words alone tell which of SQuAD's development questions their paragraph answers, at the threshold that was fixed
// on the training articles and at others. No model runs.
//
//     npx tsx test/eval/refusalCurve.ts ../shared/data/squad

import { answerability } from "../../src/engine/answer/spans/answerability.ts";
import { areaUnderCurve, quantile } from "./curve.ts";
import { ownParagraph } from "./ownParagraph.ts";
import { readDevelopmentSet } from "./trainingQuestions.ts";

const [folder] = process.argv.slice(2);
if (!folder) throw new Error("usage: refusalCurve.ts SQUAD_FOLDER");
const set = await readDevelopmentSet(folder);
const oddsOf = (isAnswerable: boolean) =>
  set.questions
    .filter(({ answers }) => answers.length > 0 === isAnswerable)
    .map((question) => answerability(ownParagraph(question, set)))
    .sort((a, b) => a - b);
const [good, bad] = [oddsOf(true), oddsOf(false)];
const below = (odds: readonly number[], threshold: number) =>
  (odds.filter((value) => value < threshold).length / odds.length).toFixed(3);
console.log(`${good.length} answerable, ${bad.length} unanswerable questions`);
console.log(`area under the curve ${areaUnderCurve(good, bad).toFixed(3)}`);
console.log(`as shipped: wrongly refused ${below(good, 0)}, recognised ${below(bad, 0)}`);
for (const share of [0.05, 0.1, 0.15, 0.2])
  console.log(`wrongly refused ${share}: recognised ${below(bad, quantile(good, share))}`);
