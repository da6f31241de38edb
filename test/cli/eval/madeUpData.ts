// A data folder in miniature, so that suites run without the real texts.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const TITLES = ["Ash", "Birch", "Cedar", "Elm", "Fir"];
const COLOURS = ["red", "blue", "green", "white", "black", "brown"];

/** Write the files that suites read into `folder`. */
export function writeMadeUpData(folder: string): void {
  const write = (path: string, text: string) => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  write("squad/squad-v1.1-a.json", JSON.stringify({ data: TITLES.map((title) => article(title)) }));
  write("squad/squad-v2.0-a.json", JSON.stringify({ data: TITLES.map(unanswerable) }));
  const chapter = Array.from({ length: 400 }, (_, i) =>
    [
      `The keeper of house ${i} went down to the river and counted the boats.`,
      `There were ${i + 3} of them, and none was his.`,
      "He came back in the evening when the lamps were lit.",
    ].join(" "),
  );
  write(
    "texts/war-and-peace-2600-0.txt",
    `Preface\r\n*** START OF IT ***\r\n${chapter.join("\r\n\r\n")}\r\n*** END OF IT ***\r\nLicence`,
  );
  const verses = chapter.map((text, i) => `${Math.floor(i / 20) + 1}:${(i % 20) + 1} ${text}`);
  write("texts/kjv.txt", `\nFirst Book\n\n${verses.join("\n")}\n`);
}

function article(title: string) {
  const paragraphs = COLOURS.map((colour, i) => ({
    context: `The ${title} gate of the ${colour} garden was painted ${colour} in ${1900 + i}. Its keeper ${title}${i} lived in a small house behind it.`,
    qas: [
      {
        question: `When was the ${title} gate of the ${colour} garden painted?`,
        answers: [{ text: `${1900 + i}` }],
      },
    ],
  }));
  return { title, paragraphs };
}

function unanswerable(title: string) {
  const paragraphs = article(title).paragraphs.map(({ context }) => ({
    context,
    qas: [{ question: `Who burnt the ${title} gate down?`, is_impossible: true, answers: [] }],
  }));
  return { title, paragraphs };
}
