// What the server sends: the node's frames and records as edge_llm/contract has them, and the house of /live.

export interface Call {
  id: string;
  name: string;
  arguments: Record<string, unknown>;
  device_ids?: string[];
}

export type Outcome = "unclear" | "confirm" | "impossible" | "spoken" | "done" | "sent" | "failed";

export interface Act {
  outcome: Outcome;
  candidates?: string[];
  carried_out?: Call[];
}

export interface Energy {
  joules?: number;
  quality: string;
}

/** A passage of the household's papers that an answer was made from. */
export interface Source {
  document: string;
  title: string;
  heading: string;
  page: number | null;
}

export interface Done {
  text: string;
  calls?: Call[];
  act?: Act;
  finish_reason: "stop" | "length" | "cancelled" | "tool_calls";
  usage: { completion_tokens: number; prompt_tokens: number; dropped_messages?: number };
  timing_ms: { queue: number; ttft: number; total: number };
  tokens_per_second: number;
  energy?: Energy;
  custom?: { sources?: Source[] } | null;
}

export interface Failure {
  code: string;
  message?: string;
  retryable?: boolean;
  text?: string;
}

export type Frame =
  | { event: "status"; data: { state: "queued" | "prefill" | "decode"; position?: number } }
  | { event: "delta"; data: { text: string } }
  | { event: "call"; data: { index: number; call: Call } }
  | { event: "done"; data: Done }
  | { event: "error"; data: Failure };

export interface Info {
  version: string;
  node: string;
  model: string;
  quantization: string;
  pinning: { effective: string; mode: string };
  house?: { devices: number; language?: string };
}

export interface Telemetry {
  time: string;
  cpu: { percent: number | null; per_core_percent: number[]; temperature_celsius: number | null };
  memory: { pss_bytes: number | null; rss_bytes: number | null };
  power: { package_watts: number | null; service_watts: number | null; quality: string; reason: string | null };
  llm: { active: number; queued: number };
  pinning: { effective: string };
}

export interface Device {
  id: string;
  name: string;
  area?: string | null;
  kind: string;
  class?: string | null;
  state?: string | null;
  attributes?: Record<string, unknown>;
  available?: boolean;
  moved_by_node?: boolean;
}

export interface House {
  areas: { id: string; name: string }[];
  devices: Device[];
}
