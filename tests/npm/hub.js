// Microsoft's own client protocols as a filter: `node hub.js write` makes invocations, `node hub.js read`
// reads completions. A JSON array comes in on stdin, one comes out on stdout; bytes are base64.

"use strict";

const { JsonHubProtocol, NullLogger } = require("@microsoft/signalr");
const { MessagePackHubProtocol } = require("@microsoft/signalr-protocol-msgpack");

const protocols = { Json: new JsonHubProtocol(), MessagePack: new MessagePackHubProtocol() };

// [{ protocol, message }] to [the framed bytes a client would send]
function write({ protocol, message }) {
    const written = protocols[protocol].writeMessage(message);
    return Buffer.from(written).toString("base64");
}

// [{ protocol, bytes }] to [the messages a client would receive]. Wrong framing throws.
function read({ protocol, bytes }) {
    const buffer = Buffer.from(bytes, "base64");
    const input =
        protocol === "Json"
            ? buffer.toString("utf8")
            : buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
    return protocols[protocol].parseMessages(input, NullLogger.instance);
}

// JSON has no dates, MessagePack has: { "$date": milliseconds } stands for one.
function revive(_, value) {
    return value && typeof value === "object" && "$date" in value ? new Date(value.$date) : value;
}

// In MessagePack a result may be bytes; JSON shows them as { "$bytes": [..] }.
function show(_, value) {
    return value instanceof Uint8Array ? { $bytes: Array.from(value) } : value;
}

const action = { write, read }[process.argv[2]];
const items = JSON.parse(require("fs").readFileSync(0, "utf8"), revive);
process.stdout.write(JSON.stringify(items.map(action), show));
