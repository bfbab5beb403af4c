// What the server tells all the time: the node's state and figures, and the house.
import { reactive } from "vue";
import type { House, Info, Telemetry } from "../contract";
import { whoami } from "./account";

const KEPT = 60;
const AGAIN_MS = 3000;

export const live = reactive({
  /** `connecting` until the server has answered, `away` when it does not; else what the node says. */
  state: "connecting",
  info: undefined as Info | undefined,
  telemetry: [] as Telemetry[],
  house: { areas: [], devices: [] } as House,
  /** Whether a documents service is online. */
  documents: false,
});

let source: EventSource | undefined;
let again: ReturnType<typeof setTimeout> | undefined;

export function connect(): void {
  disconnect();
  source = new EventSource("/live");
  on<{ state: string }>("state", (data) => (live.state = data.state));
  on<{ state: string }>("documents", (data) => (live.documents = data.state === "online"));
  on<Info>("info", (data) => (live.info = data));
  on<House>("house", (data) => (live.house = data));
  on<Telemetry>("telemetry", (data) => (live.telemetry = [...live.telemetry, data].slice(-KEPT)));
  source.onerror = () => {
    live.state = "away";
    // The browser tries again by itself, but not after an answer such as 401 or 503.
    if (source?.readyState !== EventSource.CLOSED) return;
    again = setTimeout(() => void whoami().then(connect), AGAIN_MS);
  };
}

export function disconnect(): void {
  clearTimeout(again);
  source?.close();
  source = undefined;
}

function on<T>(name: string, take: (data: T) => void): void {
  source!.addEventListener(name, (event) => take(JSON.parse((event as MessageEvent<string>).data) as T));
}
