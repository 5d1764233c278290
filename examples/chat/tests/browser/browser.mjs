// Two users of the chat's page in Chromium, and Microsoft's client on a page of another origin. Every check is an
// assertion; the exit code tells.
//
// APP: the chat. CONTROL: its emulator's drops. CHROMIUM: the browser. SCREENSHOTS: a folder for them.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { exchange } from "./foreign.mjs";

const { APP, CONTROL, CHROMIUM, SCREENSHOTS } = process.env;

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

/** A page in a browser of its own. What goes wrong in it ends the test. */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  page.on("console", (message) => assert.notEqual(message.type(), "error", message.text()));
  await page.goto(APP);
  return page;
}

async function join(page, name) {
  // The first field has the focus: the keyboard alone is enough.
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
  await page.locator("#status", { hasText: "Online" }).waitFor();
  await page.locator("#text:focus").waitFor();
}

async function say(page, text) {
  await page.locator("#text").focus();
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

const message = (page, text) => page.locator("#messages li", { hasText: text }).waitFor();
const person = (page, name) => page.locator("#people button", { hasText: `@${name}` });
const room = (page, name) => page.getByRole("button", { name: new RegExp(`^${name}`) });

async function enterRoom(page, name) {
  await page.locator("#room").fill(name);
  await page.keyboard.press("Enter");
  await page.locator("#place", { hasText: `#${name}` }).waitFor();
}

async function chat() {
  const anna = await open();
  const bob = await open({ colorScheme: "dark" });
  await join(anna, "anna");
  await join(bob, "bob");
  await message(anna, "bob joined");
  await Promise.all([person(anna, "bob").waitFor(), person(bob, "anna").waitFor()]);

  await say(anna, "Hello everyone");
  await Promise.all([message(anna, "Hello everyone"), message(bob, "Hello everyone")]);
  await say(bob, "Hello anna");
  await message(anna, "Hello anna");

  // A room, with a message that comes while bob looks elsewhere.
  await enterRoom(anna, "tea");
  await enterRoom(bob, "tea");
  await room(bob, "Everyone").click();
  // Markup stays text.
  await say(anna, "Green or <b>black</b>?");
  await message(anna, "Green or <b>black</b>?");
  await room(bob, "#tea, 1 unread").click();
  await message(bob, "Green or <b>black</b>?");
  await say(bob, "Green, please");
  await message(anna, "Green, please");

  // To one user alone.
  await person(anna, "bob").click();
  await say(anna, "Only for you");
  await room(bob, "@anna, 1 unread").click();
  await message(bob, "Only for you");
  return { anna, bob };
}

/** The cards of the loop, by their headings. */
async function theLoop(page) {
  await room(page, "Everyone").click();
  await say(page, "Look at the loop");
  const card = page.locator("#flows details", { hasText: "Look at the loop" }).first();
  await card.locator("li", { hasText: "app → service" }).waitFor();
  const steps = await card.locator("li > b").allTextContents();
  assert.deepEqual(steps, [
    "browser → service", "service → app", "Authorization", "verdict", "handler", "app → REST API", "service → browsers",
    "app → service",
  ]);
  const text = await card.textContent();
  for (const part of ["POST /upstream/chat/messages/broadcast", "aud api://", "accepted: signed by Entra", "202"]) {
    assert.ok(text.includes(part), `${part}: ${text}`);
  }
  assert.ok(!text.includes("eyJ"), "no token is shown");
}

async function attacks(page) {
  const expected = {
    "no-token": /401 rejected: The call has no bearer token/,
    "forged-headers": /401 rejected: The call has no bearer token/,
    "other-tenant": /401 rejected: The tenant is not allowed/,
    "other-audience": /401 rejected: The token is for another audience/,
    "other-caller": /403 rejected: The caller is not allowed/,
    "user-token": /403 rejected: The token was issued for a user, not for an application/,
    expired: /401 rejected: The token has expired/,
    "forged-signature": /401 rejected: The signature is invalid/,
    replay: /200 accepted: The handler has run/,
  };
  const buttons = page.locator("#attack-buttons button");
  const names = await buttons.evaluateAll((all) => all.map((button) => button.dataset.attack));
  assert.deepEqual(names, Object.keys(expected));
  for (const [name, told] of Object.entries(expected)) {
    const button = page.locator(`[data-attack="${name}"]`);
    await button.focus();
    await page.keyboard.press("Enter");
    await page.locator("#attack-result", { hasText: told }).waitFor();
    const verdict = name === "replay" ? "accepted" : "rejected";
    const card = page.locator("#flows details", { hasText: await button.textContent() }).first();
    await card.locator(".verdict", { hasText: verdict }).waitFor();
  }
}

async function reconnection({ anna, bob }) {
  const pages = [anna, bob];
  const seen = pages.map((page) => page.locator("#status", { hasText: "Reconnecting…" }).or(
    page.locator("#status", { hasText: "Online" }),
  ).waitFor());
  assert.ok((await fetch(`${CONTROL}/drop`, { method: "POST" })).ok);
  await Promise.all(seen);
  for (const page of pages) {
    await page.locator("#flows details", { hasText: "anna connected" }).nth(1).waitFor({ state: "attached" });
    await page.locator("#flows details", { hasText: "bob connected" }).nth(1).waitFor({ state: "attached" });
    // The page joins its rooms again.
    await page.locator("#flows details", { hasText: "bob: joinGroup" }).nth(1).waitFor({ state: "attached" });
    await page.locator("#status", { hasText: "Online" }).waitFor();
    await room(page, "#tea").click();
  }
  await say(anna, "Back again");
  await message(bob, "Back again");
}

/** What a screen reader and a small screen need. */
async function access(page) {
  const unnamed = await page.evaluate(() => [...document.querySelectorAll("button, input")]
    .filter((one) => one.checkVisibility())
    .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length)).length);
  assert.equal(unnamed, 0, "every control has a name");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(overflow <= 0, `${overflow} pixels too wide`);
}

async function phone() {
  const carol = await open({ viewport: PHONE, hasTouch: true, isMobile: true });
  await join(carol, "carol");
  await person(carol, "anna").waitFor();
  await say(carol, "From my phone");
  await message(carol, "From my phone");
  await access(carol);
  await carol.screenshot({ path: `${SCREENSHOTS}/phone.png` });
  await carol.getByRole("button", { name: "The loop" }).tap();
  await carol.locator("#attack-buttons button").first().waitFor();
  await access(carol);
  await carol.screenshot({ path: `${SCREENSHOTS}/phone_loop.png` });
  await carol.getByRole("button", { name: "Leave" }).tap();
  await carol.locator("#status", { hasText: "Offline" }).waitFor();
}

async function narrowest() {
  const dave = await open({ viewport: { width: 320, height: 640 } });
  await join(dave, "dave");
  await access(dave);
  await dave.getByRole("button", { name: "Leave" }).click();
}

try {
  const users = await chat();
  await theLoop(users.anna);
  await theLoop(users.bob);
  await attacks(users.anna);
  await Promise.all([access(users.anna), access(users.bob)]);
  await say(users.bob, "Nobody got in");
  await message(users.anna, "Nobody got in");
  await users.bob.locator("#flows details", { hasText: "Nobody got in" }).locator("li", { hasText: "app → service" }).waitFor();
  await users.bob.screenshot({ path: `${SCREENSHOTS}/dark.png` });
  await room(users.anna, "Token of another tenant").click();
  await users.anna.locator("#attack-result", { hasText: "The tenant is not allowed" }).waitFor();
  await users.anna.screenshot({ path: `${SCREENSHOTS}/light.png` });
  console.log("chat, loop and attacks: good");
  await reconnection(users);
  console.log("reconnection: good");
  await phone();
  await room(users.anna, "Everyone").click();
  await message(users.anna, "carol left");
  await narrowest();
  console.log("small screens: good");
  await users.bob.context().close();
  await message(users.anna, "bob left");
  assert.equal(await person(users.anna, "bob").count(), 0);
  // Its page would greet the newcomers.
  await users.anna.context().close();
  for (const protocol of ["json", "messagepack"]) {
    await exchange(browser, APP, protocol);
    console.log(`Microsoft's client from another origin, ${protocol}: good`);
  }
} finally {
  await browser.close();
}
