// Asks the gateway. What goes wrong is an ApiError whose message is for people.
export class ApiError extends Error {
  constructor(status, body) {
    super(body.message || "the gateway did not say why");
    this.status = status;
    this.code = body.code || "";
    this.title = body.error || "Something is wrong";
  }
}

let whenSignedOut = () => {};
export function onSignedOut(listener) { whenSignedOut = listener; }

async function ask(method, path, body, signal) {
  const headers = { accept: "application/json" };
  if (method !== "GET") Object.assign(headers, { "x-sluice-console": "1", "content-type": "application/json" });
  let response;
  try {
    response = await fetch(`api/${path}`, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { error: "The gateway cannot be reached", code: "away", message: "it stopped, or the network is down; this page tries again when you refresh" });
  }
  const content = await response.json().catch(() => ({}));
  if (response.ok) return content;
  const error = new ApiError(response.status, content);
  if (error.code === "signed_out") whenSignedOut(error.message);
  throw error;
}

export const get = (path, query = {}, signal) => {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
  return ask("GET", text ? `${path}?${text}` : path, undefined, signal);
};
export const post = (path, body = {}) => ask("POST", path, body);
export const remove = (path) => ask("DELETE", path);
