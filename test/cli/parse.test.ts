import assert from "node:assert/strict";
import { type Command, defineCommand, UsageError } from "../../src/cli/command.ts";
import { parseCommandLine, suggest, unknownOption } from "../../src/cli/parse.ts";

const command: Command = defineCommand({
  summary: "For the test.",
  positionals: { usage: "PATH…", min: 1, max: 2 },
  options: {
    question: { type: "string", short: "q", description: "" },
    "max-tokens": { type: "integer", description: "" },
    temperature: { type: "number", description: "", max: 2 },
    stop: { type: "string", multiple: true, description: "" },
    policy: { type: "string", ids: ["full", "window"], description: "" },
  },
  run: async () => ({ json: {}, text: "" }),
});
const parse = (...args: string[]) => parseCommandLine(command, args);
const refuses = (args: string[], message: RegExp) =>
  assert.throws(
    () => parse(...args),
    (error) => error instanceof UsageError && message.test(error.message),
  );

describe("command line", () => {
  it("reads options before, between and after paths", () => {
    const { values, positionals } = parse("-q", "why?", "a", "--max-tokens=5", "b");
    assert.deepEqual(positionals, ["a", "b"]);
    assert.deepEqual(values, { question: "why?", "max-tokens": 5 });
  });

  it("collects an option that may be given several times", () => {
    assert.deepEqual(parse("a", "--stop", "x", "--stop", "y").values.stop, ["x", "y"]);
  });

  it("takes what follows -- and a single dash as paths", () => {
    assert.deepEqual(parse("-", "--", "--odd").positionals, ["-", "--odd"]);
  });

  it("suggests the option that was probably meant", () => {
    refuses(
      ["a", "--max-token", "5"],
      /^unknown option --max-token \(did you mean --max-tokens\?\)/,
    );
  });

  it("suggests nothing for a word that resembles none", () => {
    assert.equal(unknownOption("--zzzzzz", ["question"]), "unknown option --zzzzzz.");
    assert.equal(suggest("xyz", ["full"]), "");
  });

  it("refuses numbers that are none, fractions of whole ones and values out of range", () => {
    refuses(
      ["a", "--max-tokens", "many"],
      /--max-tokens needs a whole number of at least 1, got "many"/,
    );
    refuses(["a", "--max-tokens", "1.5"], /whole number/);
    refuses(["a", "--max-tokens", "0"], /at least 1/);
    refuses(["a", "--temperature", "3"], /from 0 to 2, got "3"/);
    refuses(["a", "--temperature", "-1"], /from 0 to 2, got "-1"/);
  });

  it("refuses an option without its value, even when another option follows", () => {
    refuses(["a", "--question"], /--question needs a value/);
    refuses(["a", "--question", "--max-tokens", "5"], /--question needs a value/);
    refuses(["a", "--json=yes"], /--json takes no value/);
  });

  it("lists the ids that exist when given another", () => {
    refuses(
      ["a", "--policy", "fulll"],
      /--policy fulll does not exist \(did you mean full\?\): full, window\./,
    );
  });

  it("refuses too few and too many paths", () => {
    refuses([], /PATH… is missing/);
    refuses(["a", "b", "c"], /"c" is one argument too many/);
  });

  it("asks for no path beside --help", () => {
    assert.equal(parse("--help").help, true);
  });
});
