// Whether the server wants a token, and the cookie that it gives for one. The token itself is kept nowhere.
import { reactive } from "vue";
import { keep, kept } from "./store";

export const account = reactive({ loginNeeded: false, signedIn: kept("signed-in", false), known: false });

export async function whoami(): Promise<void> {
  try {
    const response = await fetch("/whoami");
    account.loginNeeded = response.status === 401 || (await response.json()).login_needed === true;
  } catch {
    // The server is away: /live says so.
  }
  account.known = true;
}

/** Signs in; the status of the answer: 204 is yes, 401 no, 429 too often. */
export async function login(token: string): Promise<number> {
  const response = await post("/login", { token });
  if (response.ok) signedIn(true);
  return response.status;
}

export async function logout(): Promise<void> {
  await post("/logout", {});
  signedIn(false);
}

function signedIn(yes: boolean): void {
  account.loginNeeded = !yes;
  account.signedIn = yes;
  keep("signed-in", yes);
}

export function post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
}
