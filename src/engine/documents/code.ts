// Source code of any language: kept as it is, declarations at the start of a line become anchors.

import type { Mark, TextReader } from "./document.ts";

const DECLARATION =
  /^(?:(?:export|default|declare|public|private|protected|internal|static|final|abstract|async|pub(?:\([a-z]+\))?|unsafe|sealed|data|open|override|inline|extern|const)\s+)*(?:function\*?|class|interface|enum|struct|trait|impl|def|fn|func|fun|type|module|namespace|object|record|protocol|extension|const|let|var)\b\s*[^=;{(:]{0,60}/gm;

/** Source code and configuration files. */
export const code: TextReader = {
  name: "Source code",
  extensions: [
    ..."ts tsx mts cts js jsx mjs cjs py pyi rb rs go java kt kts scala groovy c h cc cpp cxx hpp hh".split(
      " ",
    ),
    ..."m mm cs fs fsx vb swift dart lua pl pm php r jl ex exs erl hrl hs ml mli clj cljs lisp el".split(
      " ",
    ),
    ..."sh bash zsh fish ps1 bat cmd sql graphql proto thrift wgsl glsl hlsl vert frag comp metal cu".split(
      " ",
    ),
    ..."json jsonc json5 yaml yml toml ini cfg conf properties xml xsd svg css scss sass less vue svelte".split(
      " ",
    ),
    ..."astro tf hcl nix cmake gradle mk mak dockerfile makefile zig nim v sol asm s bzl bazel tcl".split(
      " ",
    ),
  ],
  kind: "code",
  readText(text) {
    return { text, marks: declarations(text) };
  },
};

function declarations(text: string): Mark[] {
  return [...text.matchAll(DECLARATION)].map((match) => ({
    offset: match.index,
    heading: match[0].replace(/\s+/g, " ").trim(),
    level: 2,
  }));
}
