// Damaged and hostile GGUF files: each ends in one line that names the file, at once and without a large allocation.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../../src/engine/errors.ts";
import { architectureOf } from "../../../src/engine/model/architectures/index.ts";
import { GgufFile } from "../../../src/engine/model/gguf.ts";
import { MalformedHeader, parseGgufHeader } from "../../../src/engine/model/ggufHeader.ts";
import { encodeHeader, writeGguf } from "../../../src/engine/model/ggufWriter.ts";
import { openModel } from "../../../src/engine/model/loadWeights.ts";
import { Metadata } from "../../../src/engine/model/metadata.ts";
import { smallModel } from "../../support/randomModel.ts";
import { tinyVocabulary } from "../../support/randomModelMetadata.ts";
import { bytes, rawGguf, rawKey, rawTensor, rawText, u32, u64 } from "../../support/rawGguf.ts";
import { assertRefusedModel } from "../../support/refusedModel.ts";
import { skip } from "../../support/skip.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const MAX_U64 = 2n ** 64n - 1n;
const F32 = 0;
const Q4_0 = 2;
const UINT8 = 0;
const UINT32 = 4;
const STRING = 8;
const ARRAY = 9;

describe("a malformed GGUF file", () => {
  const folder = useTemporaryFolder();
  const path = (): string => join(folder(), "model.gguf");

  describe("header", () => {
    const key = rawKey("a", UINT32, u32(1));
    const data = Buffer.alloc(4096);
    const tensor = (options: Partial<Parameters<typeof rawTensor>[0]>): Buffer =>
      rawTensor({ name: "t", shape: [32n], type: F32, offset: 0n, ...options });
    const cases: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
      "an empty file": [Buffer.alloc(0), /letters GGUF/],
      "three bytes": [Buffer.from("GGU"), /letters GGUF/],
      "bad magic": [rawGguf({ magic: "GGML" }), /letters GGUF/],
      "version 1": [rawGguf({ version: 1 }), /version is 1/],
      "version 4": [rawGguf({ version: 4 }), /version is 4/],
      "big-endian": [rawGguf({ version: 0x03000000 }), /big-endian/],
      "2^64 - 1 tensors": [rawGguf({ numTensors: MAX_U64 }), /18446744073709551615 tensors/],
      "2^64 - 1 keys": [rawGguf({ numKeys: MAX_U64 }), /18446744073709551615 keys/],
      "a key of length 2^64 - 1": [
        rawGguf({ numKeys: 1n, body: [u64(MAX_U64), data] }),
        /key 0 is 18446744073709551615 bytes/,
      ],
      "a key of length beyond 2^63": [
        rawGguf({ numKeys: 1n, body: [u64(2n ** 63n + 8n), data] }),
        /key 0 is 9223372036854775816 bytes/,
      ],
      "an empty key": [rawGguf({ keys: [rawKey("", UINT32, u32(1))], data }), /key 0 is empty/],
      "a duplicate key": [rawGguf({ keys: [key, key], data }), /key a occurs twice/],
      "a key that is not UTF-8": [
        rawGguf({ keys: [bytes(u64(1n), [0xff], u32(UINT32), u32(1))], data }),
        /not valid UTF-8/,
      ],
      "value type 13": [
        rawGguf({ keys: [rawKey("a", 13, u32(1))], data }),
        /unknown value type 13/,
      ],
      "a truth value of 2": [rawGguf({ keys: [rawKey("a", 7, [2])], data }), /truth value/],
      "a list of an unknown type": [
        rawGguf({ keys: [rawKey("a", ARRAY, bytes(u32(77), u64(1n)))], data }),
        /list of the unknown type 77/,
      ],
      "a list of lists": [
        rawGguf({ keys: [rawKey("a", ARRAY, bytes(u32(ARRAY), u64(1n)))], data }),
        /list of the unknown type 9/,
      ],
      "a list of 2^60 bytes": [
        rawGguf({ keys: [rawKey("a", ARRAY, bytes(u32(UINT8), u64(2n ** 60n)))], data }),
        /1152921504606846976 values of a/,
      ],
      "a list of 2^60 texts": [
        rawGguf({ keys: [rawKey("a", ARRAY, bytes(u32(STRING), u64(2n ** 60n)))], data }),
        /1152921504606846976 values of a/,
      ],
      "a text of 2^64 - 1 bytes": [
        rawGguf({ keys: [rawKey("a", STRING, u64(MAX_U64))], data }),
        /a is 18446744073709551615 bytes/,
      ],
      "alignment 0": [
        rawGguf({ keys: [rawKey("general.alignment", UINT32, u32(0))], data }),
        /general.alignment is 0/,
      ],
      "alignment 13": [
        rawGguf({ keys: [rawKey("general.alignment", UINT32, u32(13))], data }),
        /general.alignment is 13/,
      ],
      "alignment as text": [
        rawGguf({ keys: [rawKey("general.alignment", STRING, rawText("32"))], data }),
        /general.alignment is 32/,
      ],
      "data laid out at 1 without saying so": [
        rawGguf({ tensors: [tensor({ shape: [1n] }), tensor({ name: "u", offset: 4n })], data }),
        /tensor u is at offset 4/,
      ],
      "a tensor name of 64 characters": [
        rawGguf({ tensors: [tensor({ name: "n".repeat(64) })], data }),
        /64 bytes long/,
      ],
      "a duplicate tensor": [
        rawGguf({ tensors: [tensor({}), tensor({ offset: 128n })], data }),
        /tensor t occurs twice/,
      ],
      "no dimension": [rawGguf({ tensors: [tensor({ shape: [] })], data }), /0 dimensions/],
      "5 dimensions": [
        rawGguf({ tensors: [tensor({ shape: [1n, 1n, 1n, 1n, 1n] })], data }),
        /5 dimensions/,
      ],
      "10^6 dimensions": [
        rawGguf({ numTensors: 1n, body: [rawText("t"), u32(1e6), data] }),
        /1000000 dimensions/,
      ],
      "a dimension of 0": [
        rawGguf({ tensors: [tensor({ shape: [32n, 0n] })], data }),
        /dimension of 0/,
      ],
      "a dimension of -1": [
        rawGguf({ tensors: [tensor({ shape: [MAX_U64] })], data }),
        /it is incomplete/,
      ],
      "a dimension of 2^42 + 1 in blocks": [
        rawGguf({ tensors: [tensor({ shape: [2n ** 42n + 1n], type: Q4_0 })], data }),
        /multiple of 32/,
      ],
      "bytes that wrap around 2^64": [
        rawGguf({ tensors: [tensor({ shape: [2n ** 33n, 2n ** 33n] })], data }),
        /it is incomplete/,
      ],
      "sizes whose sum wraps around 2^64": [
        rawGguf({
          tensors: [
            tensor({ shape: [2n ** 61n] }),
            tensor({ name: "u", shape: [2n ** 61n], offset: 2n ** 63n }),
          ],
          data,
        }),
        /it is incomplete/,
      ],
      "a type above the last": [
        rawGguf({ tensors: [tensor({ type: 4711 })], data }),
        /unknown type 4711/,
      ],
      "a Q4_0 row of 31": [
        rawGguf({ tensors: [tensor({ shape: [31n], type: Q4_0 })], data }),
        /31 values; q4_0 needs a multiple of 32/,
      ],
      "an offset of 2^64 - 1": [
        rawGguf({ tensors: [tensor({ offset: MAX_U64 })], data }),
        /offset 18446744073709551615/,
      ],
      "a misaligned offset": [
        rawGguf({ tensors: [tensor({ offset: 4n })], data }),
        /tensor t is at offset 4/,
      ],
      "data one byte short": [
        rawGguf({ tensors: [tensor({})], data: Buffer.alloc(127) }),
        /it is incomplete/,
      ],
      "a vocabulary without architecture": [rawGguf({}), /general.architecture is missing/],
    };
    for (const [name, [content, message]] of Object.entries(cases))
      it(`is refused: ${name}`, async () => {
        await writeFile(path(), content);
        await assertRefusedModel(path(), message);
      });

    it("is valid with neither keys nor tensors", async () => {
      await writeFile(path(), rawGguf({}));
      const file = await GgufFile.open(path());
      assert.equal(file.tensors.size + file.metadata.values.size, 0);
      await file.close();
    });

    it("is valid in version 2", async () => {
      const key7 = rawKey("a", UINT32, u32(7));
      await writeFile(path(), rawGguf({ version: 2, keys: [key7], tensors: [tensor({})], data }));
      const file = await GgufFile.open(path());
      assert.deepEqual([file.version, file.metadata.integer("a")], [2, 7]);
      assert.deepEqual(await file.readTensorRange("t", 4, 8), Buffer.alloc(8));
      await assert.rejects(file.readTensorRange("t", 120, 9), RangeError);
      await file.close();
    });

    it("is valid with alignment 1", async () => {
      const alignment = rawKey("general.alignment", UINT32, u32(1));
      const tensors = [tensor({ shape: [1n] }), tensor({ name: "u", shape: [1n], offset: 4n })];
      const content = rawGguf({ keys: [alignment], tensors, data: Buffer.alloc(8), alignment: 1 });
      await writeFile(path(), content);
      const file = await GgufFile.open(path());
      assert.equal(file.tensors.get("u")?.offset, content.length - 4);
      await file.close();
    });

    it("keeps integers beyond 2^53 exact", async () => {
      await writeFile(path(), rawGguf({ keys: [rawKey("a", 10, u64(2n ** 53n + 1n))] }));
      const file = await GgufFile.open(path());
      assert.equal(file.metadata.values.get("a"), 2n ** 53n + 1n);
      assert.throws(() => file.metadata.integer("a"), /a is 9007199254740993/);
      await file.close();
    });

    it("of a named pipe is not waited for", function () {
      if (process.platform === "win32") skip(this, "Windows keeps pipes in a place of their own");
      const pipe = join(folder(), "pipe.gguf");
      execFileSync("mkfifo", [pipe]);
      return assertRefusedModel(pipe, /is not a file/);
    });

    it("of a huge file is not read on its word alone", async () => {
      // 2^31 bytes as a list would fit into this sparse file, but no header is that long.
      const content = rawGguf({ keys: [rawKey("a", ARRAY, bytes(u32(UINT8), u64(2n ** 31n)))] });
      await writeFile(path(), content);
      await truncate(path(), 2 ** 33);
      const before = process.memoryUsage().arrayBuffers;
      await assertRefusedModel(path(), /takes more than 268435456 bytes/);
      assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 26);
    });
  });

  describe("byte by byte", () => {
    /** Parse and read the config, as loading does; anything but a refusal or success is a bug. */
    function load(content: Buffer): boolean {
      try {
        const header = parseGgufHeader(content, content.length);
        const metadata = new Metadata("model.gguf", header.metadata);
        const { tensors } = header;
        architectureOf(metadata).config({ metadata, tensors, ropeFactors: new Map() });
        return true;
      } catch (error) {
        if (error instanceof MalformedHeader || error instanceof UserError) return false;
        throw error;
      }
    }
    const contents = smallModel();
    const metadata = new Map([...contents.metadata, ...tinyVocabulary(320)]);
    const header = encodeHeader({ ...contents, metadata });
    const file = Buffer.concat([header, Buffer.alloc(2 ** 18)]);

    it("loads when it is whole", () => {
      assert.ok(load(file));
    });

    it("is refused at every prefix", () => {
      for (let length = 0; length < header.length - 32; length++)
        assert.equal(load(header.subarray(0, length)), false, `prefix of ${length}`);
    });

    it("neither crashes nor hangs with any byte changed", () => {
      let numRefused = 0;
      for (let i = 0; i < header.length; i++)
        for (const mask of [0x01, 0x80, 0xff]) {
          file[i] = (header[i] ?? 0) ^ mask;
          if (!load(file)) numRefused++;
          file[i] = header[i] ?? 0;
        }
      assert.ok(numRefused > header.length / 2, `${numRefused} refused`);
    });
  });

  it("that shrinks while it is read is refused", async () => {
    await writeGguf(path(), smallModel());
    const model = await openModel(path());
    await truncate(path(), 20000);
    await assert.rejects(model.readVector("outputNorm"), /ended at byte \d+ while it was read/);
    await model.close();
  });
});
