// The kernel linker: parts, constants, directives and the way back from a compiler's line to a file's.

import assert from "node:assert/strict";
import { describeMessage, linkKernel } from "../../../src/engine/gpu/linkKernel.ts";
import { useGpu } from "../../support/gpu.ts";

const files: Record<string, string> = {
  "main.wgsl": '#include <real>\n#include "twice.wgsl"\n#include "twice.wgsl"\nfn main() {}',
  "twice.wgsl": "const TWICE = 2;",
  "f16.wgsl": "enable f16;\nalias real = f16;",
};
const read = (file: string): string => files[file] ?? assert.fail(`no file ${file}`);

describe("linkKernel", () => {
  it("pastes parts and files once, with directives in front and constants behind them", () => {
    const { code } = linkKernel(read, {
      file: "main.wgsl",
      parts: { real: "f16.wgsl" },
      constants: { SIZE: 64, SCALE: 0.5, IS_ON: true, BIAS: "0.0" },
    });
    assert.deepEqual(code.split("\n"), [
      "enable f16;",
      "const SIZE = 64u;",
      "const SCALE = f32(0.5);",
      "const IS_ON = true;",
      "const BIAS = 0.0;",
      "alias real = f16;",
      "const TWICE = 2;",
      "fn main() {}",
    ]);
  });

  it("names file and line of a part that was not chosen", () => {
    assert.throws(() => linkKernel(read, { file: "main.wgsl" }), /main\.wgsl:1: .*<real>/);
  });

  it("serves one part under two names", () => {
    const parts: Record<string, string> = {
      "main.wgsl": "#include <a> as key\n#include <b> as value",
      "cache/f16.wgsl": "fn cache_load() { cache_word; my_cache_x; }",
    };
    const source = { file: "main.wgsl", parts: { a: "cache/f16.wgsl", b: "cache/f16.wgsl" } };
    assert.deepEqual(linkKernel((file) => parts[file] ?? "", source).code.split("\n"), [
      "fn key_load() { key_word; my_cache_x; }",
      "fn value_load() { value_word; my_cache_x; }",
    ]);
  });

  it("writes out repeats, one within another, and keeps where their lines come from", () => {
    const lines = [
      "#repeat i COUNT / 2",
      "let a_$i = $iu;",
      "  #repeat j 1..3",
      "  add(a_$i, $j);",
      "  #end",
      "#end",
      "#repeat i 0",
      "nothing",
      "#end",
    ];
    const source = { file: "x.wgsl", constants: { COUNT: 4 } };
    const { code, origins } = linkKernel(() => lines.join("\n"), source);
    assert.deepEqual(code.split("\n").slice(1), [
      "let a_0 = 0u;",
      "  add(a_0, 1);",
      "  add(a_0, 2);",
      "let a_1 = 1u;",
      "  add(a_1, 1);",
      "  add(a_1, 2);",
    ]);
    assert.equal(origins[5], "x.wgsl:4");
  });

  it("names the line of a repeat that is not whole", () => {
    const link = (text: string) =>
      linkKernel(() => text, { file: "x.wgsl", constants: { ODD: 3 } });
    assert.throws(() => link("a\n#repeat i 2\n#repeat j 2\n#end"), /x\.wgsl:2: .*no #end/);
    assert.throws(() => link("#end"), /x\.wgsl:1: nothing is repeated/);
    assert.throws(
      () => link("#repeat i ODD / 2\n#end"),
      /x\.wgsl:1: "ODD \/ 2" is no whole number/,
    );
    assert.throws(() => link("#repeat i MISSING\n#end"), /x\.wgsl:1: "MISSING"/);
  });

  it("refuses other preprocessor lines", () => {
    assert.throws(() => linkKernel(() => "#ifdef X", { file: "x.wgsl" }), /x\.wgsl:1/);
  });

  it("maps a message back to the file a person wrote", () => {
    const linked = linkKernel(read, { file: "main.wgsl", parts: { real: "f16.wgsl" } });
    const message = { lineNum: 3, linePos: 7, message: "unresolved" };
    assert.equal(describeMessage(linked, message), "twice.wgsl:1:7: unresolved");
  });
});

describe("kernel compilation", () => {
  const gpu = useGpu({ backend: "null" });

  it("compiles a kernel once", async () => {
    const source = { file: "common/step.wgsl" };
    const [first, second] = [gpu().kernels.get(source), gpu().kernels.get(source)];
    assert.equal(first, second);
    await first.catch(() => undefined);
  });

  it("reports errors at file, line and column", async () => {
    await assert.rejects(
      gpu().kernels.get({ file: "common/step.wgsl", constants: { Step: 1 } }),
      /common\/step\.wgsl:\d+:\d+: /,
    );
  });
});
