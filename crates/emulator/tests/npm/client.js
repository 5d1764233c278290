// Microsoft's JavaScript client against an app and the emulator. Every check is an assertion; the exit code tells.
//
// APP: the app, which negotiates and is the upstream. SERVICE: the REST API over plain HTTP. TOKEN: for the REST API.

"use strict";

const assert = require("assert");
const { HubConnectionBuilder, HubConnectionState, LogLevel } = require("@microsoft/signalr");
const { MessagePackHubProtocol } = require("@microsoft/signalr-protocol-msgpack");

const { APP, SERVICE, TOKEN } = process.env;

function connection(user, protocol, parameters = "") {
    const builder = new HubConnectionBuilder()
        .withUrl(`${APP}/chat?user=${user}${parameters}`)
        .withAutomaticReconnect([0, 100, 1000])
        .configureLogging(LogLevel.None);
    return (protocol === "messagepack" ? builder.withHubProtocol(new MessagePackHubProtocol()) : builder).build();
}

// The next message of a method, as its arguments.
function next(hub, method) {
    return new Promise((resolve) => {
        const handler = (...args) => {
            hub.off(method, handler);
            resolve(args);
        };
        hub.on(method, handler);
    });
}

const event = (hub, name) => new Promise((resolve) => hub[name](resolve));

async function rest(method, path, body) {
    const separator = path.includes("?") ? "&" : "?";
    const answer = await fetch(`${SERVICE}/api/hubs/chat/${path}${separator}api-version=2024-12-01`, {
        method,
        headers: { Authorization: `Bearer ${TOKEN}`, ...(body && { "Content-Type": "application/json" }) },
        body: body && JSON.stringify(body),
    });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
}

const control = async (what) => assert.ok((await fetch(`${APP}/control/${what}`, { method: "POST" })).ok);

// Whether a message for all reaches a client: it does once the service has the connection in its hub.
async function settled(hub, user) {
    const arrived = next(hub, "settled");
    while (!(await fetch(`${SERVICE}/api/hubs/chat/users/${user}?api-version=2024-12-01`, {
        method: "HEAD",
        headers: { Authorization: `Bearer ${TOKEN}` },
    })).ok);
    await rest("POST", `users/${user}/:send`, { target: "settled", arguments: [] });
    await arrived;
}

async function exchange(protocol) {
    const anna = connection("anna", protocol);
    const bob = connection("bob", protocol === "json" ? "messagepack" : "json");
    await Promise.all([anna.start(), bob.start()]);
    await Promise.all([settled(anna, "anna"), settled(bob, "bob")]);

    const shapes = [
        null, true, false, 0, -1, 1.5, 2 ** 31, -(2 ** 40), "", "ü\u{1F600}\u001e\n\"", [], [1, [null, "x"]], {},
        { a: { b: [1, 2, { c: null }] }, "ü": "\\" }, "x".repeat(100000),
    ];
    for (const shape of shapes) {
        assert.deepStrictEqual(await anna.invoke("echo", shape), shape);
    }
    assert.ok((await anna.invoke("nothing")) == null);
    await assert.rejects(anna.invoke("fail"), /it failed/);
    await assert.rejects(anna.invoke("status"), /status code 418/);
    await anna.send("note", "no answer wanted");

    for (const [path, reached] of [
        [":send", [anna, bob]],
        ["users/bob/:send", [bob]],
        [`connections/${anna.connectionId}/:send`, [anna]],
    ]) {
        const arrivals = reached.map((hub) => next(hub, "news"));
        await rest("POST", path, { target: "news", arguments: ["hi", { n: 1.5, l: [null, true] }] });
        for (const arrival of arrivals) {
            assert.deepStrictEqual(await arrival, ["hi", { n: 1.5, l: [null, true] }]);
        }
    }
    await rest("PUT", `groups/room%201/connections/${bob.connectionId}`);
    const inGroup = next(bob, "news");
    await rest("POST", "groups/room%201/:send", { target: "news", arguments: [7] });
    assert.deepStrictEqual(await inGroup, [7]);

    anna.on("ask", (question) => `${question}!`);
    const answer = await fetch(`${SERVICE}/api/hubs/chat/connections/${anna.connectionId}/:invoke?api-version=2024-12-01`, {
        method: "POST",
        headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" },
        body: JSON.stringify({ target: "ask", arguments: ["who"] }),
    });
    assert.deepStrictEqual(await answer.json(), { result: "who!" });

    const closed = event(bob, "onclose");
    await rest("DELETE", `connections/${bob.connectionId}?reason=enough`);
    assert.match(String(await closed), /enough/);
    assert.strictEqual(bob.state, HubConnectionState.Disconnected);

    const before = anna.connectionId;
    const [reconnecting, reconnected] = [event(anna, "onreconnecting"), event(anna, "onreconnected")];
    await control("drop");
    await reconnecting;
    await reconnected;
    assert.notStrictEqual(anna.connectionId, before);
    assert.strictEqual(await anna.invoke("echo", "again"), "again");
    await anna.stop();
}

async function expiry(protocol) {
    const carol = connection("carol", protocol, "&close=600");
    await carol.start();
    await settled(carol, "carol");
    const [reconnecting, reconnected] = [event(carol, "onreconnecting"), event(carol, "onreconnected")];
    await control("advance");
    await reconnecting;
    // The service allows to come back, with a new token.
    await reconnected;
    await carol.stop();
}

async function rejections() {
    await assert.rejects(connection("dave", "json", "&broken=true").start(), /401/);
    const direct = new HubConnectionBuilder().withUrl(`${SERVICE}/client/?hub=chat`).configureLogging(LogLevel.None).build();
    await assert.rejects(direct.start(), /401/);
}

(async () => {
    for (const protocol of ["json", "messagepack"]) {
        await exchange(protocol);
        await expiry(protocol);
        console.log(`${protocol}: good`);
    }
    await rejections();
    console.log("rejections: good");
    process.exit(0);
})().catch((error) => {
    console.error(error);
    process.exit(1);
});
