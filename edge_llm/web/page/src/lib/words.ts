// The page's words, one JSON file a language: the first of the browser's languages that there is.
import en from "../locales/en.json";

export type Word = keyof typeof en;
type Words = Record<string, string>;

const others = import.meta.glob<Words>(["../locales/*.json", "!../locales/en.json"], { import: "default" });

export let language = "en";
let words: Words = en;

/** Loads the words of the browser's language and names it on the document. */
export async function loadWords(): Promise<void> {
  for (const wanted of navigator.languages) {
    const tag = wanted.split("-")[0]!.toLowerCase();
    const load = others[`../locales/${tag}.json`];
    if (tag !== "en" && !load) continue;
    if (load) {
      try {
        words = await load();
      } catch {
        break; // English is here already
      }
    }
    language = tag;
    break;
  }
  document.documentElement.lang = language;
}

/** The words of `key`, with {name} replaced. */
export function t(key: Word, values: Record<string, string | number> = {}): string {
  return (words[key] ?? en[key]).replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** The words of a key that a device's state or a node's code makes; undefined where there are none. */
export function known(key: string): string | undefined {
  return words[key] ?? (en as Words)[key];
}

/** A number as the language writes it. */
export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}
