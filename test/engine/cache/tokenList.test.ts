import assert from "node:assert/strict";
import { TokenList } from "../../../src/engine/cache/tokenList.ts";

describe("a cache's list of tokens", () => {
  it("holds what was appended, across its growth, and gives up its end", () => {
    const list = new TokenList();
    const all: number[] = [];
    for (let size = 0; all.length < 10_000; size = (size + 37) % 300) {
      const more = Array.from({ length: size }, (_, i) => 70_000 + all.length + i);
      list.append(more);
      all.push(...more);
    }
    assert.deepEqual([...list.view], all);
    list.truncate(2_000);
    list.append(Uint32Array.of(5, 6));
    assert.deepEqual([...list.view], [...all.slice(0, 2_000), 5, 6]);
    list.truncate(5_000);
    assert.equal(list.length, 2_002, "does not grow");
  });

  it("takes six bytes a token at most while it grows, and none when it is empty", () => {
    const list = new TokenList();
    for (let i = 0; i < 2_000; i++) list.append(new Array(512).fill(i));
    assert.equal(list.length, 1_024_000);
    assert.ok(list.bytes <= 6 * list.length, `${list.bytes}`);
    list.truncate(0);
    assert.equal(list.bytes, 0);
  });

  it("says how much a prompt shares with it", () => {
    const list = new TokenList();
    assert.equal(list.sharedWith([1, 2]), 0);
    list.append([1, 2, 3, 4]);
    assert.equal(list.sharedWith([1, 2, 3, 4, 5]), 4);
    assert.equal(list.sharedWith([1, 2, 9, 4]), 2);
    assert.equal(list.sharedWith([1, 2]), 2);
    list.truncate(2);
    assert.equal(list.sharedWith([1, 2, 3]), 2, "not what was given up");
  });
});
