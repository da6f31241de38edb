// What an adapter can do, as plain data. Kernels are chosen from this record and nowhere else.

/** A matrix size that the adapter's matrix units multiply in one step. */
export interface MatrixConfiguration {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

export interface Capabilities {
  /** The adapter's own name, such as `NVIDIA H200`. */
  readonly name: string;
  /** The device behind it, where the driver says so apart from the name. */
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
  /** Multiply on the matrix units, whose f16 factors are less exact. Off unless asked for. */
  readonly usesMatrixUnits: boolean;
}

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
export function readCapabilities(adapter: GPUAdapter, backend: string): Capabilities {
  const info: DawnAdapterInfo = adapter.info;
  const features = new Set<string>(adapter.features);
  return {
    name: info.description || info.device || "unknown adapter",
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
