// The current chat: asks the engine, keeps what streams, and tells the view. Knows nothing of VS Code.

import type { ChatAction, ChatTurn, ModelSettings, Progress } from "../protocol.ts";
import type { Chat, ChatStore } from "./chatStore.ts";
import { EngineLostError, StoppedError, UnresponsiveError } from "./engineClient.ts";
import type { EngineProcess } from "./engineProcess.ts";
import { answered, type Label, summarized } from "./turnResults.ts";

/** What a question is about. */
export interface Subject {
  readonly label: string;
  readonly paths: readonly string[];
  /** Text of editors not yet saved, by path. */
  readonly unsaved: Readonly<Record<string, string>>;
}

/** A question cannot be asked as things are; `action` is what helps. */
export class CannotAskError extends Error {
  readonly action: ChatAction;
  constructor(message: string, action: ChatAction) {
    super(message);
    this.action = action;
  }
}

export interface ConversationOptions {
  readonly engine: Pick<EngineProcess, "request">;
  readonly store: ChatStore;
  settings(): ModelSettings;
  readonly label: Label;
  readonly listener: ConversationListener;
}

export interface ConversationListener {
  /** The transcript was replaced. */
  reset(): void;
  turn(turn: ChatTurn): void;
  token(turnId: string, text: string): void;
  progress(turnId: string, progress: Progress): void;
}

const SAVE_MS = 1000;
/** Earlier turns given to the model; older ones no longer bear on a question. */
const MAX_HISTORY = 6;

export class Conversation {
  readonly #options: ConversationOptions;
  #chat: Chat;
  #running: { turnId: string; stop: AbortController; ended: Promise<void> } | undefined;
  #saved = 0;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#chat = options.store.all()[0] ?? newChat();
  }

  get turns(): readonly ChatTurn[] {
    return this.#chat.turns;
  }

  get chatId(): string {
    return this.#chat.id;
  }

  get isAnswering(): boolean {
    return this.#running !== undefined;
  }

  /** Ask about `subject`; resolves with the turn as it ended. An answer still running is stopped first. */
  ask(question: string, subject: Subject): Promise<ChatTurn> {
    return this.#run("ask", question, subject);
  }

  /** Summarise the one file of `subject`. */
  summarize(subject: Subject): Promise<ChatTurn> {
    return this.#run("summarize", subject.label, subject);
  }

  /** Ask the question of a turn again, about the same thing as it is now, in that turn's place at the end. */
  async retry(turnId: string, subjectOf: (turn: ChatTurn) => Subject): Promise<void> {
    const turn = this.#turn(turnId);
    if (!turn || turnId === this.#running?.turnId) return;
    const subject = subjectOf(turn);
    await this.stop();
    this.#chat = { ...this.#chat, turns: this.turns.filter(({ id }) => id !== turnId) };
    this.#options.listener.reset();
    await this.#run(turn.kind, turn.question, subject);
  }

  /** A quote no longer stands where it was found. */
  async unverify(turnId: string, index: number): Promise<void> {
    const citations = this.#turn(turnId)?.citations.map((citation, i) =>
      i === index ? { ...citation, verified: false } : citation,
    );
    if (!citations) return;
    this.#update(turnId, { citations });
    await this.#save();
  }

  /** Stop the running answer; resolves when the engine has acknowledged. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    const { turnId, stop, ended } = this.#running;
    if (!stop.signal.aborted) {
      this.#update(turnId, { state: "stopping" });
      stop.abort();
    }
    await ended;
  }

  async newChat(): Promise<void> {
    await this.stop();
    this.#chat = newChat();
    this.#options.listener.reset();
  }

  async open(chat: Chat): Promise<void> {
    await this.stop();
    this.#chat = chat;
    this.#options.listener.reset();
    await this.#save();
  }

  async #run(kind: ChatTurn["kind"], question: string, subject: Subject): Promise<ChatTurn> {
    while (this.#running) await this.stop(); // another question may have begun meanwhile
    const turn: ChatTurn = {
      id: crypto.randomUUID(),
      kind,
      question,
      scope: subject.label,
      paths: subject.paths,
      state: "running",
      answer: "",
      citations: [],
      notes: [],
    };
    const history = this.#history();
    this.#chat = { ...this.#chat, turns: [...this.turns, turn] };
    this.#options.listener.turn(turn);
    const stop = new AbortController();
    const work = this.#answer(turn, subject, history, stop.signal);
    this.#running = { turnId: turn.id, stop, ended: work };
    // A long text is read for minutes in front of the first word: the question outlives the window.
    await this.#save();
    await work;
    return this.#turn(turn.id) ?? turn;
  }

  /** Never throws: every end is a state of the turn. */
  async #answer(
    turn: ChatTurn,
    subject: Subject,
    history: { question: string; answer: string }[],
    signal: AbortSignal,
  ): Promise<void> {
    const observer = {
      token: (text: string) => this.#append(turn.id, text),
      progress: (progress: Progress) => {
        this.#patch(turn.id, { progress });
        this.#options.listener.progress(turn.id, progress);
      },
    };
    const { unsaved, paths } = subject;
    let end: Partial<ChatTurn>;
    try {
      const settings = this.#options.settings();
      if (turn.kind === "ask") {
        const params = { ...settings, paths, question: turn.question, unsaved, history };
        const answer = await this.#options.engine.request("ask", params, observer, signal);
        end = answered(answer, this.#turn(turn.id)?.answer ?? "", this.#options.label);
      } else {
        const path = paths[0] ?? "";
        const params = { ...settings, path, unsaved };
        const summary = await this.#options.engine.request("summarize", params, observer, signal);
        end = summarized(summary, path, this.#options.label);
      }
    } catch (error) {
      await undefined; // wrong settings throw at once, before the turn counts as running
      end = ending(error);
    }
    this.#running = undefined;
    this.#update(turn.id, end);
    await this.#save();
  }

  #history(): { question: string; answer: string }[] {
    return this.turns
      .filter(({ kind, state, found }) => kind === "ask" && state === "done" && found)
      .slice(-MAX_HISTORY)
      .map(({ question, answer }) => ({ question, answer }));
  }

  #append(turnId: string, text: string): void {
    const turn = this.#turn(turnId);
    if (!turn) return;
    this.#patch(turnId, { answer: turn.answer + text });
    this.#options.listener.token(turnId, text);
    if (Date.now() - this.#saved > SAVE_MS) void this.#save();
  }

  #update(turnId: string, change: Partial<ChatTurn>): void {
    const turn = this.#patch(turnId, change);
    if (turn) this.#options.listener.turn(turn);
  }

  #patch(turnId: string, change: Partial<ChatTurn>): ChatTurn | undefined {
    const turns = this.turns.map((turn) => (turn.id === turnId ? { ...turn, ...change } : turn));
    this.#chat = { ...this.#chat, turns };
    return this.#turn(turnId);
  }

  #turn(turnId: string): ChatTurn | undefined {
    return this.turns.find(({ id }) => id === turnId);
  }

  async #save(): Promise<void> {
    this.#saved = Date.now();
    await this.#options.store.save(this.#chat);
  }
}

function newChat(): Chat {
  return { id: crypto.randomUUID(), startedAt: Date.now(), turns: [] };
}

function ending(error: unknown): Partial<ChatTurn> {
  if (error instanceof StoppedError) return { state: "stopped" };
  return { state: "failed", error: { message: messageOf(error), action: actionFor(error) } };
}

/** What helps after `error`. */
export function actionFor(error: unknown): ChatAction {
  if (error instanceof CannotAskError) return error.action;
  if (error instanceof UnresponsiveError) return "restartEngine";
  if (error instanceof EngineLostError && !error.startsAgain) return "restartEngine";
  return "showLog";
}

function messageOf(error: unknown): string {
  if (!(error instanceof EngineLostError))
    return error instanceof Error ? error.message : String(error);
  return error.startsAgain
    ? "The engine ended in the middle of this answer and starts again."
    : "The engine ended in the middle of this answer and was not started again: it had crashed too often.";
}
