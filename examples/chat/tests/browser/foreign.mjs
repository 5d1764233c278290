// Microsoft's client, unchanged, on a page of another origin. Its server negotiates with the chat on the page's behalf;
// all that goes to the service crosses origins.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const FILES = {
  "/signalr.js": "@microsoft/signalr/dist/browser/signalr.js",
  "/msgpack.js": "@microsoft/signalr-protocol-msgpack/dist/browser/signalr-protocol-msgpack.js",
};
const PAGE = `<!DOCTYPE html><title>Another origin</title><link rel="icon" href="data:,">
<script src="/signalr.js"></script><script src="/msgpack.js"></script>`;

async function answer(app, request, response) {
  const { pathname, search } = new URL(request.url, "http://localhost");
  if (pathname === "/chat/negotiate") {
    const negotiated = await fetch(`${app}${pathname}${search}`, { method: "POST" });
    response.writeHead(negotiated.status, { "Content-Type": "application/json" }).end(await negotiated.text());
  } else if (FILES[pathname]) {
    const file = await readFile(new URL(`node_modules/${FILES[pathname]}`, import.meta.url));
    response.writeHead(200, { "Content-Type": "text/javascript; charset=utf-8" }).end(file);
  } else {
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(PAGE);
  }
}

/** In the page: connects two users, calls methods, receives, and returns what came. */
async function inPage(protocol) {
  const { signalR } = window;
  const connection = (user) => {
    const builder = new signalR.HubConnectionBuilder().withUrl(`/chat?user=${user}`).configureLogging(signalR.LogLevel.None);
    if (protocol === "messagepack") {
      builder.withHubProtocol(new signalR.protocols.msgpack.MessagePackHubProtocol());
    }
    return builder.build();
  };
  const [erin, frank] = [connection(`erin-${protocol}`), connection(`frank-${protocol}`)];
  const messages = [];
  frank.on("newMessage", (from, text) => messages.push([from, text]));
  erin.on("newMessage", () => {});
  for (const [hub, method] of [[erin, "joined"], [erin, "left"], [frank, "joined"], [frank, "left"]]) {
    hub.on(method, () => {});
  }
  await erin.start();
  await frank.start();
  // The service takes a client's calls after its `connected`.
  await frank.invoke("joinGroup", "g");
  const shape = { text: "hällo \u{1F600}", list: [1, null, true, { a: -1.5 }] };
  const results = {
    echo: await erin.invoke("echo", shape),
    online: await erin.invoke("isOnline", `frank-${protocol}`),
    error: await erin.invoke("nothing").then(() => null, (error) => error.message),
  };
  await erin.invoke("broadcast", "to all");
  await erin.invoke("sendToUser", `frank-${protocol}`, "to you");
  await erin.invoke("sendToGroup", "g", "to the group");
  // In order: the answer to a call comes behind the messages before it.
  await frank.invoke("echo", 0);
  const closed = new Promise((resolve) => frank.onclose(() => resolve(true)));
  await erin.invoke("kick", `frank-${protocol}`);
  results.closed = await closed;
  await erin.stop();
  return { shape, results, messages };
}

/** Runs the client on a page of another origin, in one of the hub protocols. */
export async function exchange(browser, app, protocol) {
  const server = createServer((request, response) => {
    answer(app, request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  const context = await browser.newContext();
  const page = await context.newPage();
  const crossed = [];
  page.on("request", (request) => request.url().includes("/client/negotiate") && crossed.push(request));
  await page.goto(origin);
  const { shape, results, messages } = await page.evaluate(inPage, protocol);
  assert.deepEqual(results.echo, shape);
  assert.equal(results.online, true);
  assert.match(results.error, /There is no such method/);
  assert.equal(results.closed, true);
  const from = `erin-${protocol}`;
  assert.deepEqual(messages, [[from, "to all"], [from, "to you"], [from, "to the group"]]);
  assert.equal(crossed.length, 2, "each user negotiates with the service");
  for (const request of crossed) {
    const headers = await request.allHeaders();
    assert.equal(headers.origin, origin);
    assert.equal((await (await request.response()).allHeaders())["access-control-allow-origin"], origin);
  }
  await context.close();
  server.close();
}
