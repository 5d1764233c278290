// Shows the way of each event: browser, service, app, and back. The app streams what it and the emulator see.

import { make } from "./dom.js";

const MOST_FLOWS = 40;

/** The flows that are shown, by their number. */
const flows = new Map();
let list;

/** A text with its GUIDs cut: their beginnings tell them apart. */
function short(text) {
  return text.replace(/([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, "$1…");
}

function duration(seconds) {
  const units = [[86_400, "d"], [3_600, "h"], [60, "min"]];
  const [size, unit] = units.find(([size]) => Math.abs(seconds) >= size) ?? [1, "s"];
  return `${Math.trunc(Math.abs(seconds) / size)} ${unit}`;
}

/** A card at the top of the list. */
function card(number, heading) {
  list.querySelector(".empty")?.remove();
  const verdict = make("span", { className: "verdict" });
  const steps = make("ol");
  const details = make("details", { open: true }, make("summary", {}, verdict, heading), steps);
  // Only the latest is open, unless somebody opened another.
  for (const older of list.querySelectorAll("details[data-latest]")) {
    older.open = false;
    delete older.dataset.latest;
  }
  details.dataset.latest = "";
  list.prepend(make("li", {}, details));
  while (list.children.length > MOST_FLOWS) {
    list.lastChild.remove();
  }
  const flow = { details, verdict, steps, isOpen: true };
  flows.set(number, flow);
  if (flows.size > MOST_FLOWS) {
    flows.delete(flows.keys().next().value);
  }
  return flow;
}

function step(flow, what, text, bad = false) {
  flow.steps.append(make("li", { className: bad ? "bad" : "" }, make("b", { textContent: what }), make("span", { textContent: text })));
}

function tokenText(token) {
  if (!token) {
    return "no token";
  }
  const parts = [["aud", token.aud], ["oid", token.oid], ["tid", token.tid]];
  const named = parts.filter(([, value]) => value).map(([name, value]) => `${name} ${short(String(value))}`);
  if (typeof token.exp === "number") {
    const left = token.exp - Date.now() / 1000;
    named.push(left > 0 ? `ends in ${duration(left)}` : `ended ${duration(left)} ago`);
  }
  return `token with ${named.join(", ")}`;
}

function heading({ category, event, user, body }) {
  const who = user ?? "somebody";
  if (category === "connections") {
    return event === "connected" ? `${who} connected` : `${who} disconnected`;
  }
  return `${who}: ${event}(${body})`;
}

const STEPS = {
  call(call) {
    const flow = card(call.flow, call.attack ?? heading(call));
    if (call.attack) {
      flow.details.dataset.attack = "";
      step(flow, "attacker → app", `POST ${call.path}`);
    } else {
      step(flow, "browser → service", call.category === "messages" ? `${call.event} over WebSocket` : call.event);
      step(flow, "service → app", `POST ${call.path}`);
    }
    step(flow, "Authorization", tokenText(call.token));
    flow.call = call;
  },
  accepted({ flow: number, caller, tenant }) {
    const flow = flows.get(number);
    if (flow) {
      flow.details.dataset.verdict = "accepted";
      flow.verdict.textContent = "accepted";
      step(flow, "verdict", `accepted: signed by Entra for caller ${short(caller)} of tenant ${short(tenant)}`);
      step(flow, "handler", `${flow.call.hub}/${flow.call.event} runs`);
      flow.runs = true;
    }
  },
  answered({ flow: number, status, reason }) {
    const flow = flows.get(number);
    if (!flow) {
      return;
    }
    if (flow.runs) {
      step(flow, "app → service", `${status}, the handler's answer`, status >= 400);
    } else {
      flow.details.dataset.verdict = "rejected";
      flow.verdict.textContent = "rejected";
      step(flow, "verdict", `${status}: ${reason}`, true);
      step(flow, "handler", "does not run");
    }
    flow.runs = false;
  },
  send({ what, status, reached, rejection }) {
    // The emulator does not know which handler sends: the latest that runs, most likely.
    const flow = [...flows.values()].reverse().find(({ runs }) => runs);
    if (!flow) {
      return;
    }
    step(flow, "app → REST API", rejection ? `${what}: ${status}, ${rejection}` : `${what}: ${status}`, status >= 400);
    if (reached > 0) {
      step(flow, "service → browsers", reached === 1 ? "one connection reached" : `${reached} connections reached`);
    }
  },
};

async function attack(name, result) {
  result.textContent = "…";
  const answer = await fetch(`loop/attacks/${name}`, { method: "POST" });
  const { verdict, status, reason, note } = await answer.json();
  result.dataset.verdict = verdict;
  const told = make("strong", { className: "verdict", textContent: `${status} ${verdict}` });
  result.replaceChildren(told, `: ${reason} `, make("span", { className: "help", textContent: note }));
}

/** Fills the list with what happens, and the buttons with the attacks that the app knows. */
export async function watch(flowList, buttons, result) {
  list = flowList;
  list.append(make("li", { className: "empty", textContent: "Nothing has happened yet. Join, or attack." }));
  const events = new EventSource("loop/events");
  events.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    STEPS[event.step]?.(event);
  };
  const attacks = await (await fetch("loop/attacks")).json();
  for (const { name, title } of attacks) {
    const button = make("button", { type: "button", textContent: title });
    button.dataset.attack = name;
    button.addEventListener("click", () => {
      attack(name, result).catch(() => {
        result.textContent = "The app cannot be reached";
      });
    });
    buttons.append(button);
  }
}
