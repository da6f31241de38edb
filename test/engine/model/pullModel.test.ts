// Downloads: https only, checked against the digest, resumed, and never a partial file under the model's name.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pullModel } from "../../../src/engine/model/pullModel.ts";
import { rawGguf } from "../../support/rawGguf.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const URL_OF_MODEL = "https://models.example/tiny.gguf";

describe("a download", () => {
  const parent = useTemporaryFolder();
  const content = rawGguf({ data: Buffer.alloc(1000, 7) });
  const sha256 = createHash("sha256").update(content).digest("hex");
  let folder: string;
  let requests: { url: string; range: string | null }[];

  beforeEach(() => {
    folder = mkdtempSync(join(parent(), "models-"));
    requests = [];
  });

  /** A server that answers each request with the next of `answers`, given where the request wants to start. */
  function server(...answers: ((from: number) => Response)[]): typeof fetch {
    return async (input, init) => {
      const range = new Headers(init?.headers).get("range");
      requests.push({ url: String(input), range });
      const answer = answers[requests.length - 1];
      assert.ok(answer, "more requests than expected");
      return answer(Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0));
    };
  }
  const whole = (): Response =>
    new Response(content, { headers: { "content-length": `${content.length}` } });
  const rest = (from: number): Response =>
    new Response(content.subarray(from), {
      status: 206,
      headers: {
        "content-range": `bytes ${from}-${content.length - 1}/${content.length}`,
        "content-length": `${content.length - from}`,
      },
    });
  const short = (): Response =>
    new Response(content.subarray(0, 300), { headers: { "content-length": `${content.length}` } });
  const redirect = (location: string) => (): Response =>
    new Response(null, { status: 302, headers: { location } });

  it("arrives under its name, with progress", async () => {
    const progress: number[] = [];
    const path = await pullModel(URL_OF_MODEL, {
      sha256,
      folder,
      fetch: server(redirect("https://mirror.example/x"), whole),
      onProgress: (done) => progress.push(done),
    });
    assert.deepEqual(readFileSync(path), content);
    assert.deepEqual(readdirSync(folder), ["tiny.gguf"]);
    assert.equal(progress.at(-1), content.length);
    assert.equal(requests[1]?.url, "https://mirror.example/x");
  });

  it("that broke off is resumed", async () => {
    const first = pullModel(URL_OF_MODEL, { sha256, folder, fetch: server(short) });
    await assert.rejects(first, /broke off after 300 of/);
    assert.ok(!readdirSync(folder).includes("tiny.gguf"));
    requests = [];
    const path = await pullModel(URL_OF_MODEL, { sha256, folder, fetch: server(rest) });
    assert.equal(requests[0]?.range, "bytes=300-");
    assert.deepEqual(readFileSync(path), content);
    assert.deepEqual(readdirSync(folder), ["tiny.gguf"]);
  });

  it("starts anew when the server cannot resume", async () => {
    await assert.rejects(pullModel(URL_OF_MODEL, { sha256, folder, fetch: server(short) }));
    requests = [];
    const path = await pullModel(URL_OF_MODEL, { sha256, folder, fetch: server(whole) });
    assert.deepEqual(readFileSync(path), content);
  });

  it("with another digest is thrown away", async () => {
    const wrong = "0".repeat(64);
    await assert.rejects(
      pullModel(URL_OF_MODEL, { sha256: wrong, folder, fetch: server(whole) }),
      /has the SHA-256 .* not 0000/,
    );
    assert.deepEqual(readdirSync(folder), []);
  });

  it("that is no GGUF is thrown away, and leaves an earlier model alone", async () => {
    const text = Buffer.from("<html>");
    writeFileSync(join(folder, "tiny.gguf"), "earlier");
    await assert.rejects(
      pullModel(URL_OF_MODEL, {
        sha256: createHash("sha256").update(text).digest("hex"),
        folder,
        fetch: server(() => new Response(text)),
      }),
      /not a usable GGUF/,
    );
    assert.deepEqual(readdirSync(folder), ["tiny.gguf"]);
    assert.equal(readFileSync(join(folder, "tiny.gguf"), "utf8"), "earlier");
  });

  const refused: Readonly<Record<string, readonly [string, string, RegExp]>> = {
    "without https": ["http://models.example/tiny.gguf", sha256, /not an https address/],
    "without a digest": [URL_OF_MODEL, "", /no SHA-256/],
    "of another kind of file": ["https://models.example/tiny.zip", sha256, /name of a GGUF file/],
  };
  for (const [name, [url, digest, message]] of Object.entries(refused))
    it(`${name} does not begin`, async () => {
      await assert.rejects(pullModel(url, { sha256: digest, folder, fetch: server() }), message);
      assert.equal(requests.length, 0);
    });

  it("does not follow a redirect away from https", async () => {
    const pull = pullModel(URL_OF_MODEL, {
      sha256,
      folder,
      fetch: server(redirect("http://mirror.example/tiny.gguf")),
    });
    await assert.rejects(pull, /not an https address/);
    assert.equal(requests.length, 1);
  });

  it("that the server refuses says so", async () => {
    const missing = server(() => new Response(null, { status: 404, statusText: "Not Found" }));
    await assert.rejects(
      pullModel(URL_OF_MODEL, { sha256, folder, fetch: missing }),
      /answered 404/,
    );
  });
});
