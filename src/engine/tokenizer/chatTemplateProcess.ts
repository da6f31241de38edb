// Child process that renders one chat template and ends. Templates come with downloaded models: they may loop for ever or
// fill the memory.

import { type RenderRequest, type RenderResult, renderTemplate } from "./renderTemplate.ts";

export type RenderReply = { readonly state: "ready" } | RenderResult;

process.once("message", (request: RenderRequest) => {
  process.send?.(renderTemplate(request), undefined, undefined, () => process.disconnect());
});
process.send?.({ state: "ready" } satisfies RenderReply);
