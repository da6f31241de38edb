// Questions about a few small files, answered by a scripted model or none.

import { answerQuestion } from "../../../../src/engine/answer/answerQuestion.ts";
import { Shelf } from "../../../../src/engine/answer/shelf.ts";
import type { LanguageModel } from "../../../../src/engine/languageModel.ts";
import type { Answer, AskParams, Progress } from "../../../../src/protocol.ts";
import { characterTokenizer } from "../../../support/scriptedModel.ts";
import { withFiles } from "../../../support/writtenFiles.ts";

export const FILES = {
  "history.md":
    "# History\n\nThe harbour was closed in 1931.\nThe parliament of Atlantis was\nestablished in 1999 by Queen Mara.\n",
  "food.md": "# Food\n\nThe people of Atlantis eat kelp on Mondays.\n",
  "pic.png": "x",
};
export const QUESTION = "When was the parliament of Atlantis established?";

/** What a question is asked about, of whom, and who watches. */
export interface Asked {
  readonly files?: Readonly<Record<string, string>>;
  readonly model?: LanguageModel;
  readonly params?: Partial<AskParams>;
  readonly signal?: AbortSignal;
  readonly token?: (text: string) => void;
  readonly progress?: (progress: Progress) => void;
}

/** Answer a question about files, `FILES` unless others are given, as the engine does. */
export function ask(question: string, asked: Asked = {}): Promise<Answer> {
  return withFiles(asked.files ?? FILES, (folder) =>
    answerQuestion(
      { paths: [folder], question, ...asked.params },
      {
        shelf: new Shelf(),
        tokenizer: characterTokenizer,
        ...(asked.model && { model: asked.model }),
      },
      {
        ...(asked.signal && { signal: asked.signal }),
        observer: {
          ...(asked.token && { token: asked.token }),
          ...(asked.progress && { progress: asked.progress }),
        },
      },
    ),
  );
}
