// Says in words what a call does, and how a device is.
import type { Act, Call, Device, House } from "../contract";
import { known, number, t } from "./words";

export type Mark = "done" | "sent" | "failed" | "confirm" | "asked";
export interface Card {
  key: string;
  name: string;
  kind: string;
  what: string;
  mark: Mark;
}

const OPENING = new Set(["cover", "valve"]);
const VALUES = { brightness: "%", position: "%", percentage: "%", volume_level: "%", humidity: "%", temperature: "°" };

/** A card for each device that an act is about. */
export function cards(act: Act | undefined, calls: Call[], house: House): Card[] {
  const devices = new Map(house.devices.map((device) => [device.id, device]));
  const byName = new Map(house.devices.map((device) => [device.name, device]));
  if (act?.outcome === "confirm") {
    return (act.candidates ?? []).map((name) => card(name, byName.get(name), t("confirm"), "confirm"));
  }
  const doubtful = new Set(act?.candidates);
  const markOf = (name: string): Mark => {
    if (act?.outcome === "sent" || act?.outcome === "failed") return doubtful.has(name) ? act.outcome : "done";
    return "done";
  };
  const made = (call: Call, mark?: Mark): Card[] => {
    const ids = call.device_ids?.length ? call.device_ids : [undefined];
    return ids.map((id) => {
      const device = id === undefined ? undefined : devices.get(id);
      const name = device?.name ?? text(call.arguments.name ?? call.arguments.area ?? id ?? call.name);
      return card(name, device, whatOf(call, device), mark ?? markOf(name));
    });
  };
  const carried = (act?.carried_out ?? []).flatMap((call) => made(call));
  return [...carried, ...calls.flatMap((call) => made(call, "asked"))];
}

function card(name: string, device: Device | undefined, what: string, mark: Mark): Card {
  return { key: `${name} ${what} ${mark}`, name, kind: device?.kind ?? "", what, mark };
}

function whatOf(call: Call, device: Device | undefined): string {
  const kind = device?.kind ?? text(call.arguments.domain ?? "");
  const on = call.name === "HassTurnOn";
  if (on || call.name === "HassTurnOff") {
    if (OPENING.has(kind)) return t(on ? "act.open" : "act.close");
    if (kind === "lock") return t(on ? "act.lock" : "act.unlock");
    if (kind === "button" || kind === "scene" || kind === "script") return t("act.start");
    return t(on ? "act.on" : "act.off");
  }
  const said = Object.entries(call.arguments).filter(([name]) => !["name", "area", "floor", "domain", "device_class"].includes(name));
  const values = said.map(([name, value]) => `${known(`value.${name}`) ?? name} ${withUnit(name, value)}`);
  return values.join(", ") || known(`act.${call.name}`) || call.name;
}

function withUnit(name: string, value: unknown): string {
  if (typeof value !== "number") return known(`state.${text(value)}`) ?? text(value);
  const unit = VALUES[name as keyof typeof VALUES] ?? "";
  return number(value, 1) + (unit === "%" ? " %" : unit);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** How a device is, in a few words. */
export function stateOf(device: Device): string {
  if (device.available === false) return t("state.unavailable");
  const { state, attributes = {} } = device;
  if (state === undefined || state === null) return "–";
  const parts = [stateWord(device, state)];
  const level = (name: string): void => {
    const value = attributes[name];
    if (typeof value === "number") parts.push(withUnit(name, value));
  };
  if (device.kind === "light" && state === "on") level("brightness");
  if (device.kind === "cover" && state !== "closed") level("position");
  if (device.kind === "fan" && state === "on" && typeof attributes.speed === "number") parts.push(`${number(attributes.speed)} %`);
  if (device.kind === "climate") level("temperature");
  return parts.join(" · ");
}

function stateWord(device: Device, state: string): string {
  if (device.kind === "binary_sensor") {
    const word = known(`state.${device.class ?? ""}.${state}`) ?? known(`state.${state}`);
    return word ?? state;
  }
  const value = state.trim() === "" ? NaN : Number(state);
  const unit = device.attributes?.unit;
  if (!Number.isNaN(value)) return number(value, 2) + (typeof unit === "string" ? ` ${unit}` : "");
  return known(`state.${state}`) ?? state;
}

/** Whether a device is at work or open: what one would look for when leaving the house. */
export function isActive(device: Device): boolean {
  const still = ["off", "closed", "locked", "unknown", "unavailable", "idle", "docked", "standby"];
  return device.available !== false && !["sensor", "scene", "button"].includes(device.kind) && !!device.state && !still.includes(device.state);
}
