// The chat: names, rooms, people and messages.
//
// A text for a room begins with `#room `, one for a single person with `@name `. Other clients of the hub read them as
// they are. `/here` tells a newcomer who is here already.

import { element, make } from "./dom.js";
import { Closed, Hub } from "./hub.js";
import { watch } from "./loop.js";

const EVERYONE = "";
const HERE = "/here";

const chat = {
  hub: null,
  me: "",
  /** `""` for everyone, `#room` or `@name`. */
  place: EVERYONE,
  places: new Map([[EVERYONE, { messages: [], unread: 0 }]]),
  people: new Set(),
};

function title(place) {
  return place === EVERYONE ? "Everyone" : place;
}

function placeOf(name) {
  if (!chat.places.has(name)) {
    chat.places.set(name, { messages: [], unread: 0 });
  }
  return chat.places.get(name);
}

function show(name) {
  chat.place = name;
  placeOf(name).unread = 0;
  render();
  element("text").focus();
}

/** Adds a line to a place: a message of somebody, or a notice without `from`. */
function add(name, message) {
  const place = placeOf(name);
  place.messages.push(message);
  if (name === chat.place) {
    appendMessage(message);
  } else {
    place.unread += message.from ? 1 : 0;
    renderLists();
  }
}

function appendMessage({ from, text, kind }) {
  const list = element("messages");
  list.querySelector(".empty")?.remove();
  const own = from === chat.me;
  const line = make("li", { className: kind ?? (own ? "own" : "") });
  if (from) {
    line.append(make("b", { textContent: own ? "You" : from }));
  }
  line.append(text);
  list.append(line);
  list.scrollTop = list.scrollHeight;
}

function placeButton(name, ...classes) {
  const { unread } = placeOf(name);
  const button = make("button", { type: "button", textContent: title(name), className: classes.join(" ") });
  button.setAttribute("aria-current", String(name === chat.place));
  if (unread > 0) {
    button.classList.add("unread");
    button.dataset.unread = unread;
    button.setAttribute("aria-label", `${title(name)}, ${unread} unread`);
  }
  button.addEventListener("click", () => show(name));
  return button;
}

function renderLists() {
  const rooms = [...chat.places.keys()].filter((name) => !name.startsWith("@"));
  element("rooms").replaceChildren(...rooms.map((name) => {
    const item = make("li", {}, placeButton(name));
    if (name !== EVERYONE) {
      const leave = make("button", { type: "button", textContent: "×", title: `Leave ${name}` });
      leave.setAttribute("aria-label", `Leave ${name}`);
      leave.addEventListener("click", () => attempt(() => leaveRoom(name)));
      item.append(leave);
    }
    return item;
  }));
  const others = [...chat.people].filter((name) => name !== chat.me).sort();
  element("people").replaceChildren(
    make("li", { className: "self", textContent: `${chat.me} (you)` }),
    ...others.map((name) => make("li", {}, placeButton(`@${name}`))),
  );
}

function render() {
  renderLists();
  element("place").textContent = title(chat.place);
  element("text").placeholder = chat.place === EVERYONE ? "Message to everyone" : `Message to ${chat.place}`;
  element("messages").replaceChildren();
  placeOf(chat.place).messages.forEach(appendMessage);
  if (!placeOf(chat.place).messages.length) {
    element("messages").append(make("li", { className: "empty", textContent: "No messages yet." }));
  }
}

/** Does what the user asks for, and shows why it failed. */
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    add(chat.place, { text: error.message, kind: "error" });
  }
}

async function send(text) {
  if (chat.place === EVERYONE) {
    await chat.hub.invoke("broadcast", text);
    return;
  }
  const name = chat.place.slice(1);
  const marked = `${chat.place} ${text}`;
  await chat.hub.invoke(chat.place.startsWith("#") ? "sendToGroup" : "sendToUser", name, marked);
  // The app leaves the sender out.
  add(chat.place, { from: chat.me, text });
}

async function joinRoom(name) {
  await chat.hub.invoke("joinGroup", name);
  show(`#${name}`);
}

async function leaveRoom(place) {
  await chat.hub.invoke("leaveGroup", place.slice(1));
  chat.places.delete(place);
  show(EVERYONE);
}

function received(from, text) {
  meet(from);
  if (text === HERE) {
    return;
  }
  const [, room, toRoom] = /^(#[\w-]+) ([^]*)$/.exec(text) ?? [];
  if (room && chat.places.has(room)) {
    add(room, { from, text: toRoom });
    return;
  }
  const [, user, toUser] = /^@([\w-]+) ([^]*)$/.exec(text) ?? [];
  if (user === chat.me && from !== chat.me) {
    add(`@${from}`, { from, text: toUser });
    return;
  }
  add(EVERYONE, { from, text });
}

function meet(user) {
  if (!user || chat.people.has(user)) {
    return;
  }
  chat.people.add(user);
  renderLists();
}

function joined(user) {
  // Another connection of the same user, such as this one after it came back, is no news.
  if (user === chat.me) {
    return;
  }
  if (!chat.people.has(user)) {
    add(EVERYONE, { text: `${user} joined`, kind: "notice" });
  }
  meet(user);
  chat.hub.invoke("sendToUser", user, HERE).catch(() => {});
}

async function left(user) {
  // The user may have a second tab.
  if (user === chat.me || (await chat.hub.invoke("isOnline", user).catch(() => false))) {
    return;
  }
  if (chat.people.delete(user)) {
    add(EVERYONE, { text: `${user} left`, kind: "notice" });
    renderLists();
  }
}

const STATES = { connecting: "Connecting…", online: "Online", reconnecting: "Reconnecting…", offline: "Offline" };

function stateChanged(state, reason) {
  element("status").dataset.state = state;
  element("status").textContent = STATES[state];
  if (state === "offline") {
    element("join-error").textContent = reason ?? "";
    switchTo(false);
  }
}

function switchTo(online) {
  element("join").hidden = online;
  for (const id of ["chat", "who", "leave"]) {
    element(id).hidden = !online;
  }
  element(online ? "text" : "name").focus();
}

async function join(name) {
  const hub = new Hub(`chat/negotiate?negotiateVersion=1&user=${encodeURIComponent(name)}`);
  Object.assign(chat, { hub, me: name, place: EVERYONE, people: new Set() });
  chat.places = new Map([[EVERYONE, { messages: [], unread: 0 }]]);
  hub.on("newMessage", received);
  hub.on("joined", joined);
  hub.on("left", left);
  hub.onstate = async (state, reason) => {
    stateChanged(state, reason);
    if (state === "online") {
      // A connection that comes back is a new one: it is in no group.
      for (const room of [...chat.places.keys()].filter((place) => place.startsWith("#"))) {
        await attempt(() => hub.invoke("joinGroup", room.slice(1)));
      }
    }
  };
  await hub.start();
  element("me").textContent = name;
  document.title = `${name} – Chat over Azure SignalR Service`;
  render();
  switchTo(true);
}

function onSubmit(form, field, action) {
  element(form).addEventListener("submit", (event) => {
    event.preventDefault();
    const value = element(field).value.trim();
    if (value) {
      action(value);
    }
  });
}

onSubmit("join-form", "name", (name) => {
  element("join-error").textContent = "";
  join(name).catch((error) => {
    element("join-error").textContent = error instanceof Closed ? error.message : "The app cannot be reached";
  });
});
onSubmit("composer", "text", (text) => {
  element("text").value = "";
  attempt(() => send(text));
});
onSubmit("room-form", "room", (room) => {
  element("room").value = "";
  attempt(() => joinRoom(room));
});
element("leave").addEventListener("click", () => chat.hub.stop());
element("views").addEventListener("click", ({ target }) => {
  if (!target.dataset.view) {
    return;
  }
  document.body.dataset.view = target.dataset.view;
  for (const button of element("views").children) {
    button.setAttribute("aria-pressed", String(button === target));
  }
});

if (document.body.dataset.loop === "on") {
  for (const id of ["loop", "views"]) {
    element(id).hidden = false;
  }
  watch(element("flows"), element("attack-buttons"), element("attack-result"));
}
element("name").focus();
