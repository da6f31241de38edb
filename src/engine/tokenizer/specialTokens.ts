// Finds tokens that are written out in a text: a trie, longest match first, one pass.

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  token: number;
}

export class SpecialTokens {
  readonly #root: TrieNode = { children: new Map(), token: -1 };

  /** `entries`: the written form of each token to find. */
  constructor(entries: Iterable<readonly [form: string, token: number]>) {
    for (const [form, token] of entries) this.#add(form, token);
  }

  /**
   * Cut `text` at the tokens it holds. Calls `onText` for each non-empty stretch between them and `onToken` for each of
   * them, in order; `onToken` returns the offset to go on from, given the one behind the token.
   */
  split(
    text: string,
    onText: (text: string) => void,
    onToken: (token: number, end: number) => number,
  ): void {
    let start = 0;
    for (let i = 0; i < text.length; ) {
      const match = this.#root.children.has(text.charCodeAt(i))
        ? this.#longestMatch(text, i)
        : undefined;
      if (match === undefined) {
        i++;
        continue;
      }
      if (i > start) onText(text.slice(start, i));
      start = onToken(match.token, match.end);
      i = start;
    }
    if (start < text.length) onText(text.slice(start));
  }

  #add(form: string, token: number): void {
    if (form === "") return;
    let node = this.#root;
    for (let i = 0; i < form.length; i++) {
      const codeUnit = form.charCodeAt(i);
      let child = node.children.get(codeUnit);
      if (child === undefined) {
        child = { children: new Map(), token: -1 };
        node.children.set(codeUnit, child);
      }
      node = child;
    }
    if (node.token < 0) node.token = token;
  }

  #longestMatch(text: string, start: number): { token: number; end: number } | undefined {
    let found: { token: number; end: number } | undefined;
    let node: TrieNode | undefined = this.#root;
    for (let i = start; i < text.length; i++) {
      node = node.children.get(text.charCodeAt(i));
      if (node === undefined) break;
      if (node.token >= 0) found = { token: node.token, end: i + 1 };
    }
    return found;
  }
}
