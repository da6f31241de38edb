// The tokenizer of a model file, without loading its weights and without an adapter.

import { GgufFile } from "./model/gguf.ts";
import { resolveModel } from "./model/models.ts";
import { createTokenizer } from "./tokenizer/createTokenizer.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

/**
 * Tokenizer of a model by path or id (default: the embedded one); vocabulary-only GGUF files will do.
 * @throws UserError when the file is missing, malformed or names an unknown tokenizer
 */
export async function openTokenizer(model?: string): Promise<Tokenizer> {
  const file = await GgufFile.open(await resolveModel(model));
  try {
    return createTokenizer(file.metadata.values);
  } finally {
    await file.close();
  }
}
