// matvec.wgsl, matmul_lanes.wgsl and matmul_tiled.wgsl, with every weights part, against the reference.

import assert from "node:assert/strict";
import { withoutOptionalFeatures } from "../../src/engine/gpu/capabilities.ts";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import {
  type GpuMatrix,
  uploadInterleaved,
  uploadStacked,
} from "../../src/engine/model/gpuMatrix.ts";
import { createLinear, type LinearOptions } from "../../src/engine/model/operations/linear.ts";
import { linearSources } from "../../src/engine/model/operations/linearKernels.ts";
import { createStepBuffer, writeStep } from "../../src/engine/model/step.ts";
import { type WeightFormatId, weightFormats } from "../../src/engine/model/weightFormats/index.ts";
import { matmul } from "../reference/matmul.ts";
import { geluTanh, silu } from "../reference/operations.ts";
import { assertClose } from "../support/close.ts";
import { readFloats, run, uploadFloats, useGpu, useMatrixUnits } from "../support/gpu.ts";
import { randomMatrix } from "../support/matrixSource.ts";
import { randomFloats } from "../support/random.ts";

// Registry keys are ids.
const formats = Object.keys(weightFormats) as WeightFormatId[];

// Sums of a few hundred products of numbers below 1, in another order than the reference.
const TOLERANCE = 3e-5;
// Matrix units round both factors to f16.
const F16_TOLERANCE = 1e-2;

describe("matmul", () => suite(useGpu(), formats));

// The parts for weights are the same here; a few suffice, since software adapters compile for seconds.
describe("matmul, without f16 and subgroups", () =>
  suite(useGpu({ restrict: withoutOptionalFeatures }), ["f32", "q4_0", "q6_k"]));

describe("matmul on matrix units", () => suite(useMatrixUnits(), formats));

describe("matmul in larger tiles on matrix units", () => {
  const gpu = useMatrixUnits();

  for (const [cols, tokens] of [
    [96, 130],
    [172, 300],
  ] as const) {
    it(`multiplies ${tokens} tokens of ${cols} by more rows than whole tiles hold`, async () => {
      // As if a few of them kept it busy.
      gpu().restrict({ ...gpu().capabilities, busyWorkgroups: 64 });
      const { source, weights } = randomMatrix("f16", 4100, cols);
      const matrix = await uploadStacked(gpu(), [source]);
      await expectProduct(gpu(), matrix, weights, tokens);
    });
  }
});

describe("matmul with small bindings", () => {
  const maxStorageBufferBindingSize = 8192;
  const gpu = useGpu({
    restrict: (capabilities) => ({
      ...capabilities,
      limits: { ...capabilities.limits, maxStorageBufferBindingSize },
    }),
  });

  it("cuts a matrix into slices that each fit a binding", async () => {
    const parts = [1, 2].map((seed) => randomMatrix("q4_0", 230, 64, { seed, pieceRows: 50 }));
    const matrix = await uploadStacked(
      gpu(),
      parts.map(({ source }) => source),
    );
    assert.deepEqual(
      matrix.slices.map(({ firstRow, rows }) => [firstRow, rows]),
      [
        [0, 256],
        [256, 204],
      ],
    );
    for (const { quants } of matrix.slices) assert.ok(quants.size <= maxStorageBufferBindingSize);
    const weights = Float32Array.from(parts.flatMap(({ weights }) => [...weights]));
    for (const tokens of [1, 17]) await expectProduct(gpu(), matrix, weights, tokens);
  });
});

function suite(gpu: () => Gpu, formats: readonly WeightFormatId[]): void {
  for (const format of formats) {
    it(`multiplies ${format} weights, in tiles that are not full`, async () => {
      const cols = weightFormats[format].blockSize === 256 ? 512 : 96;
      const { source, weights } = randomMatrix(format, 70, cols);
      const matrix = await uploadStacked(gpu(), [source]);
      for (const tokens of [1, 3, 19]) await expectProduct(gpu(), matrix, weights, tokens);
    });
  }

  for (const [rows, cols] of [
    [1, 32],
    [2, 172],
    [63, 64],
    [64, 256],
    [65, 4],
    [129, 36],
    [3, 8192],
    [6, 2052],
  ] as const) {
    it(`multiplies f16 weights of ${rows} × ${cols} with any number of tokens`, async () => {
      const { source, weights } = randomMatrix("f16", rows, cols);
      const matrix = await uploadStacked(gpu(), [source]);
      for (const tokens of [1, 2, 4, 5, 15, 16, 17, 63, 64, 65, 130]) {
        await expectProduct(gpu(), matrix, weights, tokens);
      }
    });
  }

  for (const output of ["set", "add"] as const) {
    for (const bias of [undefined, randomFloats(66, 9)]) {
      it(`can ${output} the output${bias ? ", with a bias" : ""}`, async () => {
        const { source, weights } = randomMatrix("q4_0", 66, 64);
        const matrix = await uploadStacked(gpu(), [source]);
        const options = { output, ...(bias && { bias }) };
        for (const tokens of [2, 20]) {
          await expectProduct(gpu(), matrix, weights, tokens, options);
        }
      });
    }
  }

  it("stacks matrices of several formats and odd heights", async () => {
    const parts = [
      randomMatrix("q4_0", 33, 32, { seed: 1 }),
      randomMatrix("q4_0", 32, 32, { seed: 2 }),
      randomMatrix("q4_0", 8, 32, { seed: 3, pieceRows: 4 }),
      randomMatrix("f32", 16, 32, { seed: 4 }),
    ];
    const matrix = await uploadStacked(
      gpu(),
      parts.map(({ source }) => source),
    );
    const weights = Float32Array.from(parts.flatMap(({ weights }) => [...weights]));
    for (const tokens of [1, 21]) await expectProduct(gpu(), matrix, weights, tokens);
  });

  for (const [activation, up] of [
    ["silu", "q8_0"],
    ["gelu", "q4_1"],
  ] as const) {
    it(`gates q8_0 rows with ${activation}, the other rows in ${up}`, async () => {
      const [rows, cols] = [70, 64];
      const gate = randomMatrix("q8_0", rows, cols, { seed: 5 });
      const other = randomMatrix(up, rows, cols, { seed: 6 });
      const matrix = await uploadInterleaved(gpu(), gate.source, other.source);
      const linear = await createLinear(gpu(), matrix, { output: activation });
      for (const tokens of [1, 18]) {
        const input = randomFloats(tokens * cols, tokens);
        const shape = { rows, cols, tokens };
        const ups = matmul(input, other.weights, shape);
        const activate = { silu, gelu: geluTanh }[activation];
        const expected = matmul(input, gate.weights, shape).map(
          (value, i) => activate(value) * ups[i]!,
        );
        const output = uploadFloats(gpu(), new Float32Array(expected.length));
        const commands = new CommandList();
        linear.encode(
          commands,
          { input: uploadFloats(gpu(), input), output, step: step(gpu(), tokens) },
          tokens,
        );
        run(gpu(), commands);
        assertClose(
          await readFloats(gpu(), output, expected.length),
          expected,
          tolerance(gpu(), "q8_0"),
        );
      }
    });
  }
}

async function expectProduct(
  gpu: Gpu,
  matrix: GpuMatrix,
  weights: Float32Array,
  tokens: number,
  options: LinearOptions = { output: "set" },
): Promise<void> {
  const { rows, cols } = matrix;
  const input = randomFloats(tokens * cols, tokens);
  const before = randomFloats(tokens * rows, 7);
  const expected = matmul(input, weights, { rows, cols, tokens }).map(
    (value, i) =>
      value + (options.bias?.[i % rows] ?? 0) + (options.output === "add" ? before[i]! : 0),
  );
  const linear = await createLinear(gpu, matrix, options);
  const output = uploadFloats(gpu, before);
  const commands = new CommandList();
  linear.encode(
    commands,
    { input: uploadFloats(gpu, input), output, step: step(gpu, tokens) },
    tokens,
  );
  run(gpu, commands);
  const [format = "f32"] = matrix.slices.map((slice) => slice.format);
  // Rounding adds up with the products.
  const allowed = tolerance(gpu, format) * Math.max(1, cols / 1024);
  assertClose(await readFloats(gpu, output, expected.length), expected, allowed);
}

function tolerance({ capabilities }: Gpu, format: WeightFormatId): number {
  const variant = { format, output: "set", hasBias: false, rows: 1, cols: 1 } as const;
  const { matmul } = linearSources(capabilities, variant);
  return matmul.kernel.file === "matmul_subgroup_matrix.wgsl" ? F16_TOLERANCE : TOLERANCE;
}

function step(gpu: Gpu, numTokens: number): GPUBuffer {
  const buffer = createStepBuffer(gpu);
  writeStep(gpu, buffer, { numTokens, firstPosition: 0, firstSlot: 0 });
  return buffer;
}
