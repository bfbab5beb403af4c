// Markdown to blocks of safe HTML. HTML in a reply is shown as text; DOMPurify stands behind that.
import DOMPurify from "dompurify";
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import ini from "highlight.js/lib/languages/ini";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import python from "highlight.js/lib/languages/python";
import yaml from "highlight.js/lib/languages/yaml";
import { Marked, type Tokens } from "marked";

for (const [name, definition] of Object.entries({ bash, ini, javascript, json, python, yaml })) {
  hljs.registerLanguage(name, definition);
}

export type Block = { kind: "html"; html: string } | { kind: "code"; html: string; text: string; language: string };

const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escape(text),
    image: ({ text }: Tokens.Image) => escape(text), // a picture would be fetched from elsewhere
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? "☑ " : "☐ "),
  },
});

const TAGS = "a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i li ol p pre s span strong sub sup table tbody td th thead tr ul";
const purify = DOMPurify(window);
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
  const ours = (node.getAttribute("class") ?? "").split(" ").every((name) => /^hljs(-[\w-]+)?$|^\w+_$/.test(name));
  if (!ours) node.removeAttribute("class"); // only what highlights code: no other class of the page
});

function clean(html: string): string {
  return purify.sanitize(html, {
    ALLOWED_TAGS: TAGS.split(" "),
    ALLOWED_ATTR: ["class", "href", "start"],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
}

function highlighted(text: string, language: string): string {
  return hljs.getLanguage(language) ? hljs.highlight(text, { language, ignoreIllegals: true }).value : escape(text);
}

/** The blocks of a text. While it grows, those before the last stay as they are. */
export function blocks(text: string): Block[] {
  return marked
    .lexer(text)
    .filter((token) => token.type !== "space")
    .map((token) => {
      if (token.type !== "code") return { kind: "html", html: clean(marked.parser([token])) };
      const language = ((token as Tokens.Code).lang ?? "").split(/\s/)[0]!.toLowerCase();
      return { kind: "code", html: clean(highlighted(token.text, language)), text: token.text, language };
    });
}
