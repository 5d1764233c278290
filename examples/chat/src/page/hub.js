// A client of a SignalR hub: negotiation, WebSocket, the JSON hub protocol, pings, reconnection.
// Protocols: HubProtocol.md and TransportProtocols.md of ASP.NET Core.

const SEPARATOR = "\u001e";
const PING_EVERY = 15_000;
const SILENCE_AT_MOST = 30_000;
const RECONNECT_AFTER = [0, 1_000, 2_000, 5_000, 10_000, 10_000];

const MESSAGE = { invocation: 1, completion: 3, ping: 6, close: 7 };

/** The connection ended and does not come back by itself. */
export class Closed extends Error {}

export class Hub {
  #negotiateUrl;
  #socket = null;
  #handlers = new Map();
  #waiting = new Map();
  #lastId = 0;
  #stopped = false;

  /** Called with "connecting", "online", "reconnecting" or "offline", and with a reason if there is one. */
  onstate = () => {};

  constructor(negotiateUrl) {
    this.#negotiateUrl = negotiateUrl;
  }

  /** Calls the handler with the arguments of each invocation of this method by the app. */
  on(method, handler) {
    this.#handlers.set(method, handler);
  }

  async start() {
    this.#stopped = false;
    this.onstate("connecting");
    try {
      await this.#connect();
    } catch (error) {
      this.onstate("offline", error.message);
      throw error;
    }
    this.onstate("online");
  }

  stop() {
    this.#stopped = true;
    this.#socket?.close();
  }

  /** Calls a method of the app and waits for its result. */
  invoke(target, ...args) {
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) {
        reject(new Closed("There is no connection now"));
        return;
      }
      const invocationId = String(++this.#lastId);
      this.#waiting.set(invocationId, { resolve, reject });
      this.#send({ type: MESSAGE.invocation, invocationId, target, arguments: args });
    });
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message) + SEPARATOR);
  }

  // The app says where the service is. The service gives the connection a token of its own.
  async #negotiate() {
    const { url, accessToken } = await post(this.#negotiateUrl);
    const service = new URL(url);
    const negotiation = new URL(service);
    negotiation.pathname = `${service.pathname.replace(/\/$/, "")}/negotiate`;
    negotiation.searchParams.set("negotiateVersion", "1");
    const { connectionToken } = await post(negotiation, { Authorization: `Bearer ${accessToken}` });
    service.protocol = service.protocol === "https:" ? "wss:" : "ws:";
    service.searchParams.set("id", connectionToken);
    // A browser's WebSocket has no headers.
    service.searchParams.set("access_token", accessToken);
    return service;
  }

  async #connect() {
    const socket = new WebSocket(await this.#negotiate());
    await new Promise((resolve, reject) => {
      let buffer = "";
      let heard = Date.now();
      let shaken = false;
      let closing = null;
      const clock = setInterval(() => {
        if (Date.now() - heard > SILENCE_AT_MOST) {
          socket.close();
        } else if (shaken && socket.readyState === WebSocket.OPEN) {
          this.#send({ type: MESSAGE.ping });
        }
      }, PING_EVERY);
      socket.onopen = () => socket.send(JSON.stringify({ protocol: "json", version: 1 }) + SEPARATOR);
      socket.onmessage = ({ data }) => {
        heard = Date.now();
        const texts = (buffer + data).split(SEPARATOR);
        buffer = texts.pop();
        for (const message of texts.map((text) => JSON.parse(text))) {
          if (shaken) {
            closing = this.#receive(message) ?? closing;
          } else if (message.error) {
            reject(new Closed(message.error));
          } else {
            shaken = true;
            this.#socket = socket;
            resolve();
          }
        }
      };
      socket.onclose = () => {
        clearInterval(clock);
        reject(new Closed("The service does not accept the connection"));
        if (shaken) {
          this.#ended(closing);
        }
      };
    });
  }

  // Returns the close message, if it is one.
  #receive(message) {
    if (message.type === MESSAGE.close) {
      return message;
    }
    if (message.type === MESSAGE.invocation) {
      this.#handlers.get(message.target)?.(...message.arguments);
    } else if (message.type === MESSAGE.completion) {
      const waiting = this.#waiting.get(message.invocationId);
      this.#waiting.delete(message.invocationId);
      if (message.error) {
        waiting?.reject(new Error(message.error));
      } else {
        waiting?.resolve(message.result);
      }
    }
    return null;
  }

  async #ended(closing) {
    for (const { reject } of this.#waiting.values()) {
      reject(new Closed("The connection broke before the answer came"));
    }
    this.#waiting.clear();
    if (this.#stopped || (closing && !closing.allowReconnect)) {
      this.onstate("offline", closing?.error);
      return;
    }
    this.onstate("reconnecting");
    for (const delay of RECONNECT_AFTER) {
      await new Promise((resolve) => setTimeout(resolve, delay));
      if (this.#stopped) {
        break;
      }
      try {
        await this.#connect();
        this.onstate("online");
        return;
      } catch (error) {
        console.info(`reconnecting: ${error.message}`);
      }
    }
    this.onstate("offline", "The service cannot be reached");
  }
}

async function post(url, headers = {}) {
  const answer = await fetch(url, { method: "POST", headers });
  if (!answer.ok) {
    throw new Closed((await answer.text()) || `The answer to negotiate is ${answer.status}`);
  }
  return answer.json();
}
