// The chats of this workspace, kept across windows and reloads in VS Code's workspace storage.

import type { ChatTurn } from "../protocol.ts";

export interface Chat {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly turns: readonly ChatTurn[];
}

/** The part of vscode.Memento that is needed. */
export interface Storage {
  get(key: string): unknown;
  update(key: string, value: unknown): Thenable<void>;
}

const KEY = "lectern.chats.v1";
const MAX_CHATS = 50;

export class ChatStore {
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Newest first. Turns that were running when the window closed are marked as stopped. */
  all(): Chat[] {
    const stored = this.#storage.get(KEY);
    const chats: Chat[] = Array.isArray(stored) ? stored : [];
    return chats.map((chat) => ({ ...chat, turns: chat.turns.map(settled) }));
  }

  /** Put `chat` first; empty chats are not kept. */
  async save(chat: Chat): Promise<void> {
    const others = this.all().filter(({ id }) => id !== chat.id);
    const chats = chat.turns.length > 0 ? [chat, ...others] : others;
    await this.#storage.update(KEY, chats.slice(0, MAX_CHATS));
  }

  async remove(id: string): Promise<void> {
    await this.#storage.update(
      KEY,
      this.all().filter((chat) => chat.id !== id),
    );
  }
}

function settled(turn: ChatTurn): ChatTurn {
  if (turn.state !== "running" && turn.state !== "stopping") return turn;
  const { progress: _, ...rest } = turn;
  return {
    ...rest,
    state: "stopped",
    notes: [...turn.notes, "The window closed before this answer was complete."],
  };
}
