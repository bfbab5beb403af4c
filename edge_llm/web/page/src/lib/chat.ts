// The conversation: its turns, the reply that is coming, and what of them is kept over a reload.
import { computed, reactive, watch } from "vue";
import type { Act, Call, Done, Failure, Source } from "../contract";
import { account, post } from "./account";
import { events } from "./events";
import { live } from "./live";
import { Reveal } from "./reveal";
import { keep, kept, randomId } from "./store";

export interface Figures {
  tokens: number;
  tokens_per_second: number;
  ttft_ms: number;
  joules?: number;
  watts?: number;
  quality?: string;
}

export interface Turn {
  id: string;
  role: "user" | "assistant";
  text: string;
  state: "waiting" | "streaming" | "whole" | "stopped" | "failed";
  position?: number;
  calls: Call[];
  act?: Act;
  cut?: boolean;
  forgotten?: number;
  error?: Failure;
  figures?: Figures;
  /** Whether the documents service was asked. */
  papers?: boolean;
  sources?: Source[];
}

const KEPT_TURNS = 60;

export const chat = reactive({
  session: kept("session", "") || newSession(),
  turns: kept<Turn[]>("turns", []).map(ended),
  area: kept("area", ""),
  papers: kept("papers", false),
});
let abort: AbortController | undefined;

export const busy = computed(() => {
  const last = chat.turns.at(-1);
  return last?.state === "waiting" || last?.state === "streaming";
});

let saving: ReturnType<typeof setTimeout> | undefined;
watch(() => chat.turns, () => (saving ??= setTimeout(save, 500)), { deep: true });
watch(() => chat.area, (area) => keep("area", area));
watch(() => chat.papers, (papers) => keep("papers", papers));
addEventListener("pagehide", save);

function save(): void {
  clearTimeout(saving);
  saving = undefined;
  keep("turns", chat.turns.slice(-KEPT_TURNS));
}

function newSession(): string {
  const session = `web-${randomId()}`;
  keep("session", session);
  return session;
}

function ended(turn: Turn): Turn {
  return turn.state === "waiting" || turn.state === "streaming" ? { ...turn, state: "stopped" } : turn;
}

function add(turn: Pick<Turn, "role" | "text" | "state" | "papers">): Turn {
  chat.turns.push({ id: randomId(), calls: [], ...turn });
  return chat.turns.at(-1)!; // the reactive one
}

/** Whether a sentence goes to the papers; the answer to a question goes where the question has come from. */
function goesToPapers(): boolean {
  const last = chat.turns.at(-1);
  const isAsked = last?.act?.outcome === "confirm" || (last?.act?.outcome === "unclear" && !!last.act.candidates?.length);
  return isAsked ? !!last.papers : chat.papers && live.documents;
}

/** Sends a sentence and shows the reply as it comes; without `acting` it is a question, whatever it sounds like. */
export async function send(text: string, acting = true): Promise<void> {
  if (busy.value || !text.trim()) return;
  const papers = goesToPapers();
  add({ role: "user", text, state: "whole", papers });
  const turn = add({ role: "assistant", text: "", state: "waiting", papers });
  const reveal = new Reveal((shown) => (turn.text = shown));
  abort = new AbortController();
  try {
    const act = acting && live.info?.house?.devices ? "auto" : null;
    const body = { text, session: chat.session, act, area: chat.area || null, documents: papers };
    await receive(await post("/chat", body, abort.signal), turn, reveal);
  } catch {
    reveal.finish();
    if (abort.signal.aborted) turn.state = "stopped";
    else fail(turn, { code: "network", retryable: true });
  }
  abort = undefined;
}

async function receive(response: Response, turn: Turn, reveal: Reveal): Promise<void> {
  if (!response.ok || !response.body) {
    if (response.status === 401) account.loginNeeded = true;
    return fail(turn, await refusal(response));
  }
  for await (const { event, data } of events(response.body)) {
    if (event === "status") turn.position = data.position;
    else if (event === "delta") {
      turn.state = "streaming";
      reveal.add(data.text);
    } else if (event === "call") turn.calls.push(data.call);
    else if (event === "done") {
      reveal.finish();
      return finish(turn, data);
    } else if (event === "error") {
      reveal.finish();
      turn.text = data.text || turn.text;
      return fail(turn, data);
    }
  }
  reveal.finish();
  fail(turn, { code: "network", retryable: true });
}

function finish(turn: Turn, done: Done): void {
  const seconds = (done.timing_ms.total - done.timing_ms.queue) / 1000;
  const joules = done.energy?.joules;
  turn.text = done.text;
  turn.calls = done.calls ?? [];
  turn.act = done.act;
  turn.cut = done.finish_reason === "length";
  turn.forgotten = done.usage.dropped_messages;
  turn.sources = unique(Array.isArray(done.custom?.sources) ? done.custom.sources : []);
  if (done.usage.completion_tokens) {
    turn.figures = {
      tokens: done.usage.completion_tokens,
      tokens_per_second: done.tokens_per_second,
      ttft_ms: done.timing_ms.ttft,
      joules,
      watts: joules !== undefined && seconds > 0 ? joules / seconds : undefined,
      quality: done.energy?.quality,
    };
  }
  turn.state = done.finish_reason === "cancelled" ? "stopped" : "whole";
}

/** Several passages may be of one page. */
function unique(sources: Source[]): Source[] {
  const keys = sources.map(({ document, heading, page }) => JSON.stringify([document, heading, page]));
  return sources.filter((_, index) => keys.indexOf(keys[index]!) === index);
}

function fail(turn: Turn, error: Failure): void {
  const isPapersAway = turn.papers && !live.documents && error.code === "unavailable";
  turn.error = isPapersAway ? { ...error, code: "papers" } : error;
  turn.state = "failed";
}

const CODES: Record<number, string> = { 401: "login", 413: "too_large", 429: "rate_limited", 503: "unavailable", 504: "timeout" };

async function refusal(response: Response): Promise<Failure> {
  const answer: unknown = await response.json().catch(() => ({}));
  const error = ((answer as { error?: unknown }).error ?? answer) as Partial<Failure>;
  const code = typeof error.code === "string" ? error.code : (CODES[response.status] ?? "internal");
  const retryable = error.retryable ?? [429, 503].includes(response.status);
  return { code, retryable, message: typeof error.message === "string" ? error.message : undefined };
}

/** Asks once more what the last reply failed to answer. */
export function retry(acting = true): void {
  const [question] = chat.turns.splice(-2);
  if (question) void send(question.text, acting);
}

/** Stops the reply: the server hears that nobody listens and cancels it. */
export function stop(): void {
  abort?.abort();
}

/** Forgets the conversation, here and on the node. */
export function clear(): void {
  stop();
  const session = chat.session;
  chat.turns = [];
  chat.session = newSession();
  void post("/forget", { session }).catch(() => undefined);
}
