// `lectern doctor`: what this machine offers, what is missing and how to get it.

import { cpus, release, totalmem } from "node:os";
import type { AdapterRequest } from "../../engine/gpu/adapter.ts";
import type { Capabilities } from "../../engine/gpu/capabilities.ts";
import { offersMatrixUnits } from "../../engine/model/operations/parts.ts";
import { defineCommand } from "../command.ts";
import { oneLine } from "../errorText.ts";
import { dawnVersion, version } from "../version.ts";

interface Diagnosis {
  readonly lectern: string;
  readonly dawn: string;
  readonly node: { readonly version: string; readonly executable: string };
  readonly system: string;
  readonly cpu: string;
  readonly memoryBytes: number;
  readonly adapter: AdapterReport | null;
  /** Every adapter Dawn lists, for `--adapter`. */
  readonly adapters: readonly { readonly name: string; readonly backend: string }[];
  /** One line each: what is missing or slow, and what to do. */
  readonly missing: readonly string[];
}

type AdapterReport = Omit<Capabilities, "features"> & { readonly features: readonly string[] };

export const doctor = defineCommand({
  summary: "Show the GPU adapter, its driver, features and limits, versions, and what is missing.",
  positionals: { usage: "", min: 0, max: 0 },
  options: {
    adapter: {
      type: "string",
      value: "NAME",
      description: "Look at this adapter. Default: the fastest.",
    },
  },
  async run({ values }) {
    const diagnosis = await diagnose(values.adapter);
    return { json: diagnosis, text: diagnosisText(diagnosis) };
  },
});

async function diagnose(name: string | undefined): Promise<Diagnosis> {
  const missing: string[] = [];
  let adapter: AdapterReport | null = null;
  let adapters: Diagnosis["adapters"] = [];
  try {
    // Dawn is native code: where it cannot be loaded, the rest of the report still helps.
    const { findAdapter, listAdapters } = await import("../../engine/gpu/adapter.ts");
    const { readCapabilities } = await import("../../engine/gpu/capabilities.ts");
    const request = name === undefined ? {} : { name };
    const found = await findAdapter(request);
    const capabilities = await checked(readCapabilities(found), request);
    adapter = { ...capabilities, features: [...capabilities.features].sort() };
    adapters = await listAdapters();
    missing.push(...shortcomings(adapter));
  } catch (error) {
    missing.push(oneLine(error));
  }
  return {
    lectern: version(),
    dawn: dawnVersion(),
    node: { version: process.version, executable: process.execPath },
    system: `${process.platform}-${process.arch} ${release()}`,
    cpu: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
    memoryBytes: totalmem(),
    adapter,
    adapters,
    missing,
  };
}

/** As a model would find them: matrix units are used once they have passed their check. */
async function checked(offered: Capabilities, request: AdapterRequest): Promise<Capabilities> {
  if (!offersMatrixUnits(offered)) return offered;
  const { openCheckedGpu } = await import("../../engine/openCheckedGpu.ts");
  const gpu = await openCheckedGpu(request);
  try {
    return gpu.capabilities;
  } finally {
    gpu.dispose();
  }
}

function shortcomings(adapter: AdapterReport): string[] {
  const found: string[] = [];
  if (adapter.isSoftware)
    found.push(
      `${adapter.name} runs on the CPU: correct but slow. A GPU with a Vulkan, Metal or Direct3D 12 driver is many times faster.`,
    );
  if (!adapter.hasF16) found.push("The adapter has no 16-bit floats: 32-bit kernels are used.");
  if (!adapter.hasSubgroups) found.push("The adapter has no subgroups: slower kernels are used.");
  if (adapter.matrixUnitsProblem !== undefined) found.push(adapter.matrixUnitsProblem);
  return found;
}

function diagnosisText(diagnosis: Diagnosis): string {
  const { adapter, adapters, missing, node } = diagnosis;
  const gigabytes = (diagnosis.memoryBytes / 1e9).toFixed(1);
  return [
    `Lectern   ${diagnosis.lectern}, Dawn through webgpu ${diagnosis.dawn}`,
    `Node      ${node.version} (${node.executable})`,
    `System    ${diagnosis.system}, ${diagnosis.cpu}, ${gigabytes} GB`,
    ...(adapter ? adapterText(adapter) : ["Adapter   none"]),
    ...adapters.map(({ name, backend }) => `Listed    ${name} (${backend})`),
    ...(missing.length > 0 ? missing.map((line) => `Missing   ${line}`) : ["Missing   nothing"]),
  ].join("\n");
}

function adapterText(adapter: AdapterReport): string[] {
  const matrices = adapter.matrixConfigurations.map(
    ({ m, n, k, componentType, resultComponentType }) =>
      `${m}×${n}×${k} ${componentType}→${resultComponentType}`,
  );
  return [
    `Adapter   ${adapter.name}, ${adapter.vendor} ${adapter.architecture} (${adapter.backend})`,
    `Subgroups ${adapter.hasSubgroups ? `${adapter.subgroupMinSize} to ${adapter.subgroupMaxSize} lanes` : "none"}`,
    `Matrices  ${matrices.length > 0 ? `${adapter.usesMatrixUnits ? "used" : "not used"}: ${matrices.join(", ")}` : "none"}`,
    `Features  ${adapter.features.join(" ")}`,
    ...Object.entries(adapter.limits).map(([name, value]) => `Limit     ${name} ${value}`),
  ];
}
