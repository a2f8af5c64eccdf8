// Questions to the server.

import { t } from "./words.js";

/** What the server says of a question that it does not answer. */
export class Refusal extends Error {
  constructor(status, error) {
    super(error.message);
    Object.assign(this, { status, fields: error.fields ?? {}, position: error.position ?? null, code: error.code ?? "" });
  }
}

async function refused(response) {
  let error = { message: `${response.status} ${response.statusText}` };
  try {
    error = (await response.json()).error;
  } catch { /* no JSON: what the status says is all there is */ }
  return new Refusal(response.status, error);
}

/** Wait for what comes over the network; where it does not come, the server has gone. */
async function reached(promise) {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Refusal(0, { message: t("unreachable"), fields: { page: t("unreachable") }, code: "offline" });
  }
}

export async function ask(path, options = {}) {
  const response = await reached(fetch(path, options));
  if (!response.ok) throw await refused(response);
  return response;
}

export async function askJson(path, options) {
  return (await ask(path, options)).json();
}

/** Return the header of an answer, with the arrays that follow it: `a` has data and shape. */
export async function askArrays(path, options) {
  const buffer = await reached((await ask(path, options)).arrayBuffer());
  const bytes = new Uint8Array(buffer), end = bytes.indexOf(10);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  const arrays = {};
  for (const [name, { shape, offset }] of Object.entries(head.arrays)) {
    const size = shape.reduce((product, count) => product * count, 1);
    arrays[name] = { data: new Float64Array(buffer, end + 1 + offset, size), shape };
  }
  return { ...head, arrays };
}

/** Ask one question at a time, and of those that come meanwhile only the last. */
export class Latest {
  constructor(answer) {
    this.answer = answer;
    this.busy = false;
    this.next = null;
  }

  async ask(question) {
    this.next = question;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.next !== null) {
        const now = this.next;
        this.next = null;
        await this.answer(now, () => this.next !== null);
      }
    } finally {
      this.busy = false;
    }
  }
}

/** Save the file of this name and query. */
export async function save(name, query) {
  const blob = await reached((await ask(`/export/${name}?${query}`)).blob());
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
