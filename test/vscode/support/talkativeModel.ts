// A model that always has more to say: random weights, so its answer runs to the limit of tokens. Slow enough that an
// answer can be stopped, or its engine killed, in the middle.

import { writeGguf } from "../../../src/engine/model/ggufWriter.ts";
import { randomModelContents } from "../../support/randomModel.ts";

/** Plain text without roles: the model does not understand them anyway. */
const CHAT_TEMPLATE = "{% for message in messages %}{{ message.content }}\n{% endfor %}";

/** Write the model to `path`. */
export async function writeTalkativeModel(path: string): Promise<void> {
  const shape = { numLayers: 12, hiddenSize: 256, intermediateSize: 768, contextLength: 2048 };
  const { metadata, tensors } = randomModelContents({
    architecture: "llama",
    format: "f16",
    shape,
  });
  metadata.set("tokenizer.chat_template", { type: "string", value: CHAT_TEMPLATE });
  await writeGguf(path, { metadata, tensors });
}
