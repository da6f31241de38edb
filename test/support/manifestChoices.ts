// The choices of the extension's settings as VS Code shows them, generated from the registries: `null` is called Empty, each choice
// is described. Rewrite package.json and its texts with `npx tsx test/support/manifestChoices.ts`; test/settings.test.ts fails when they are stale.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheAllocations } from "../../src/engine/cache/allocations/index.ts";
import { cachePolicies } from "../../src/engine/cache/policies/index.ts";
import { positionSchemes } from "../../src/engine/cache/positionSchemes.ts";
import { cacheRotations } from "../../src/engine/cache/rotation.ts";
import { AUTO, cacheTypes } from "../../src/engine/cache/types.ts";
import { ropeScalings } from "../../src/engine/model/rope/index.ts";
import { DENSE, prefillSelectors } from "../../src/engine/model/sparsity/index.ts";
import { settingChoices } from "../../src/engine/modelSettings.ts";
import { repositoryRoot } from "./testData.ts";

type Described = Readonly<Record<string, { readonly description: string }>>;
type Texts = Readonly<Record<string, string>>;

/** A setting as package.json declares it. */
export interface ManifestSetting {
  readonly type: string | readonly string[];
  readonly enum?: readonly (string | null)[];
  readonly markdownDescription: string;
  readonly tags?: readonly string[];
  readonly [more: string]: unknown;
}

export interface Manifest {
  readonly contributes: {
    readonly configuration: { readonly properties: Readonly<Record<string, ManifestSetting>> };
  };
}

/** Names the text of the choice `null`: what the setting's own text says of it. */
const EMPTY = "empty";

const CACHE_TYPES: Described = {
  [AUTO]: { description: "fewer bits where they fit the model" },
  ...cacheTypes,
};

/** What each choice of a setting is, where it has choices. */
const descriptions: Readonly<Partial<Record<keyof typeof settingChoices, Described>>> = {
  cachePolicy: cachePolicies,
  cacheAllocation: cacheAllocations,
  cacheTypeK: CACHE_TYPES,
  cacheTypeV: CACHE_TYPES,
  cacheRotation: cacheRotations,
  cacheSmoothing: {
    off: { description: "keys as they are" },
    on: { description: "keys divided by what `lectern calibrate` found" },
  },
  ropeScaling: {
    auto: { description: "what the model's file says; where it says nothing, `yarn`" },
    ...ropeScalings,
  },
  positionScheme: positionSchemes,
  prefillSparsity: {
    [DENSE]: { description: "all blocks" },
    ...prefillSelectors,
  },
  matrixUnits: {
    auto: { description: "where the GPU has any and they pass a check" },
    off: { description: "never" },
  },
};

/** The manifest and its texts with the choices of all settings as they are now. */
export function withCurrentChoices(
  manifest: Manifest,
  texts: Texts,
): { manifest: Manifest; texts: Texts } {
  const { configuration } = manifest.contributes;
  const properties = Object.entries(configuration.properties).map(([id, setting]) => {
    const choices = choicesOf(nameOf(id));
    if (!choices) return [id, setting] as const;
    const { type, enum: _, enumItemLabels: __, markdownEnumDescriptions: ___, ...rest } = setting;
    const declared = {
      type,
      enum: [null, ...choices],
      // The others bear their own names.
      enumItemLabels: ["Empty"],
      markdownEnumDescriptions: [EMPTY, ...choices].map(
        (choice) => `%${keyOf(nameOf(id), choice)}%`,
      ),
      ...rest,
    };
    return [id, declared] as const;
  });
  return {
    manifest: {
      ...manifest,
      contributes: {
        ...manifest.contributes,
        configuration: { ...configuration, properties: Object.fromEntries(properties) },
      },
    },
    texts: Object.fromEntries(Object.entries(texts).flatMap(textsOf)),
  };
}

/** A text with those of its setting's choices behind it; theirs alone are made anew. */
function textsOf([key, text]: [string, string]): [string, string][] {
  const [kind, name = "", choice] = key.split(".");
  if (kind !== "setting") return [[key, text]];
  if (choice !== undefined) return [];
  const described = (choicesOf(name) ?? []).map((id): [string, string] => [
    keyOf(name, id),
    sentence(descriptionOf(name, id)),
  ]);
  const whenEmpty = / Empty: (.+?)\.(?: |$)/.exec(text)?.[1] ?? "";
  return described.length === 0
    ? [[key, text]]
    : [[key, text], [keyOf(name, EMPTY), sentence(whenEmpty)], ...described];
}

function choicesOf(name: string): readonly string[] | undefined {
  const choices: Readonly<Record<string, "any" | readonly string[]>> = settingChoices;
  const of = choices[name];
  return of === "any" ? undefined : of;
}

function descriptionOf(name: string, choice: string): string {
  const all: Readonly<Record<string, Described | undefined>> = descriptions;
  const description = all[name]?.[choice]?.description;
  if (description === undefined) throw new Error(`The choice ${choice} of ${name} has no text.`);
  return description;
}

function sentence(phrase: string): string {
  return `${phrase.charAt(0).toUpperCase()}${phrase.slice(1)}.`;
}

function nameOf(id: string): string {
  return id.replace(/^lectern\./, "");
}

function keyOf(name: string, choice: string): string {
  return `setting.${name}.${choice}`;
}

/** A JSON file of the repository's root. */
export function readJson<T>(name: string): T {
  // Its shape is VS Code's, checked when the extension is packaged.
  return JSON.parse(readFileSync(join(repositoryRoot, name), "utf8")) as T;
}

function writeJson(name: string, content: unknown): void {
  writeFileSync(join(repositoryRoot, name), `${JSON.stringify(content, null, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const current = withCurrentChoices(readJson("package.json"), readJson("package.nls.json"));
  writeJson("package.json", current.manifest);
  writeJson("package.nls.json", current.texts);
}
