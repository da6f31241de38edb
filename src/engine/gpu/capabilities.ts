// What an adapter can do, as plain data. Kernels are chosen from this record and nowhere else.

import type { FoundAdapter } from "./adapter.ts";

/** A matrix size that the adapter's matrix units multiply in one step. */
export interface MatrixConfiguration {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

export interface Capabilities {
  /** The adapter's name, such as `NVIDIA H200`. */
  readonly name: string;
  /** The name as WebGPU writes it, such as `nvidia-h200`; empty where the driver does not say. */
  readonly device: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly backend: string;
  /** Runs on the CPU: correct but slow. */
  readonly isSoftware: boolean;
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  readonly hasF16: boolean;
  readonly hasSubgroups: boolean;
  readonly hasTimestamps: boolean;
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  readonly matrixConfigurations: readonly MatrixConfiguration[];
  /** Multiply on the matrix units, whose f16 factors are less exact. Off until they have been checked, see openCheckedGpu. */
  readonly usesMatrixUnits: boolean;
  /** Why they are not used although the adapter offers them, one sentence; absent where they are only switched off. */
  readonly matrixUnitsProblem?: string;
  /** Workgroups of which a dispatch should have as many, or some of the adapter's cores are left idle. */
  readonly busyWorkgroups: number;
}

// WebGPU tells nobody how many cores there are. Of attention's workgroups, large GPUs run about this many at a time; small ones
// lose nothing by more than they need.
const BUSY_WORKGROUPS = 1024;

/** Dawn reports its matrix units beside the standard adapter information. */
interface DawnAdapterInfo extends GPUAdapterInfo {
  readonly subgroupMatrixConfigs?: readonly {
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number;
    readonly N: number;
    readonly K: number;
  }[];
}

/** Read an adapter's features, limits and units into a record that outlives it. */
export function readCapabilities({ adapter, backend, name }: FoundAdapter): Capabilities {
  const info: DawnAdapterInfo = adapter.info;
  const features = new Set<string>(adapter.features);
  return {
    name,
    device: info.device,
    vendor: info.vendor,
    architecture: info.architecture,
    backend,
    isSoftware: info.isFallbackAdapter === true,
    features,
    limits: readLimits(adapter.limits),
    hasF16: features.has("shader-f16"),
    hasSubgroups: features.has("subgroups"),
    hasTimestamps: features.has("timestamp-query"),
    subgroupMinSize: info.subgroupMinSize ?? 1,
    subgroupMaxSize: info.subgroupMaxSize ?? 1,
    matrixConfigurations: (info.subgroupMatrixConfigs ?? []).map((matrix) => ({
      componentType: matrix.componentType,
      resultComponentType: matrix.resultComponentType,
      m: matrix.M,
      n: matrix.N,
      k: matrix.K,
    })),
    usesMatrixUnits: false,
    busyWorkgroups: info.isFallbackAdapter === true ? 1 : BUSY_WORKGROUPS,
  };
}

/** The same adapter without 16-bit floats, subgroups or matrix units: what the plainest kernels see. */
export function withoutOptionalFeatures(capabilities: Capabilities): Capabilities {
  return { ...capabilities, hasF16: false, hasSubgroups: false, matrixConfigurations: [] };
}

function readLimits(limits: GPUSupportedLimits): Record<string, number> {
  const record: Record<string, number> = {};
  // Limits are getters of the prototype, so only `in` order enumerates them.
  for (const name in limits) {
    const value: unknown = Reflect.get(limits, name);
    if (typeof value === "number") record[name] = value;
  }
  return record;
}
