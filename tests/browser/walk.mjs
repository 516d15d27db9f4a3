// People at the console in Chromium, each with a browser of their own: node walk.mjs MANNER. What they do comes as lines
// of JSON, and each is answered with one: {"person", "act", ...} with {"ok"} or {"wrong"}. MANNER is
//   mouse     clicks and types
//   plain     the same without JavaScript
//   keyboard  never clicks: Tab leads to every control, and keys do the rest
// axe-core, which is a script itself, looks at every page and every unfolded part that is reached with the first and the last.
// With SCREENS=FOLDER the mouse leaves a picture of each page there. Whatever the manner, a page that asks another host, fails, or logs an error is wrong.
import { createInterface } from "node:readline";
import { violations } from "./axe.mjs";
import { launch } from "./chromium.mjs";

const [manner] = process.argv.slice(2);
const keyboard = manner === "keyboard";
// Far more than any page has controls.
const TABS_MAX = 400;
const TIME_MAX = 15_000;

// The site's own root is in no browser's list.
const browser = await launch("--ignore-certificate-errors");
const people = new Map();
const wrong = [];
let pictures = 0;

async function pageOf(person, address) {
  if (!people.has(person)) {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      javaScriptEnabled: manner !== "plain",
      ignoreHTTPSErrors: true,
      acceptDownloads: true,
    });
    context.setDefaultTimeout(TIME_MAX);
    const page = await context.newPage();
    page.on("request", (request) => {
      if (!request.url().startsWith(address) && !request.url().startsWith("data:")) {
        wrong.push(`${page.url()} asks ${request.url()}`);
      }
    });
    page.on("pageerror", (error) => wrong.push(`${page.url()} fails: ${error.message}`));
    people.set(person, page);
  }
  return people.get(person);
}

async function look(page) {
  if (manner === "plain") {
    return;
  }
  if (process.env.SCREENS && manner === "mouse") {
    const name = new URL(page.url()).pathname.slice(1).replace(/[^a-z0-9.-]+/gi, "-") || "overview";
    await page.screenshot({ path: `${process.env.SCREENS}/walk-${String(++pictures).padStart(2, "0")}-${name}.png`, fullPage: true });
  }
  wrong.push(...(await violations(page)).map((words) => `${page.url()}: ${words}`));
}

// Whether the control has the focus; of radio buttons, Tab leads to one of the group.
const hasFocus = (element) =>
  element === document.activeElement ||
  (element.type === "radio" && element.name === document.activeElement?.name);

async function reach(page, control) {
  await control.first().waitFor({ state: "visible" });
  if (!keyboard) {
    return;
  }
  for (let tabs = 0; tabs < TABS_MAX; tabs++) {
    if (await control.first().evaluate(hasFocus)) {
      return;
    }
    await page.keyboard.press("Tab");
  }
  throw new Error(`no ${TABS_MAX} presses of Tab lead there`);
}

function control(page, label) {
  return page.locator("main").getByLabel(label, { exact: true }).or(page.locator("header").getByLabel(label, { exact: true }));
}

// Words that are for screen readers only are set off by spaces of the design system's own.
function button(page, name) {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(": ", "\\s*:\\s*");
  const named = { name: new RegExp(`^\\s*${escaped}\\s*$`) };
  return page.getByRole("button", named).or(page.getByRole("link", named)).first();
}

// 2026-11-28T22:00, part by part as the browser has them here.
async function typeTime(page, field, text) {
  const [year, month, day, hour, minute] = text.split(/[-T:]/);
  const half = Number(hour) < 12 ? "AM" : "PM";
  const twelve = String(Number(hour) % 12 || 12).padStart(2, "0");
  await page.keyboard.type(month + day + year);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.type(twelve + minute + half);
  const typed = await field.inputValue();
  if (typed !== text) {
    throw new Error(`typing ${text} made ${typed}`);
  }
}

const acts = {
  async open(page, { address, path }) {
    await page.goto(address + path, { waitUntil: "load" });
    await look(page);
  },
  async type(page, { label, text }) {
    const field = control(page, label);
    await reach(page, field);
    if (!keyboard) {
      return field.fill(text);
    }
    if ((await field.getAttribute("type")) === "datetime-local") {
      return typeTime(page, field, text);
    }
    await page.keyboard.press("Control+A");
    await page.keyboard.press("Delete");
    // Many lines are pasted, as people do.
    return text.length > 200 ? page.keyboard.insertText(text) : page.keyboard.type(text);
  },
  async choose(page, { label, option }) {
    const list = control(page, label);
    await reach(page, list);
    if (!keyboard) {
      return list.selectOption({ label: option });
    }
    await page.keyboard.type(option);
    const chosen = await list.evaluate((element) => element.selectedOptions[0]?.label);
    if (chosen !== option) {
      throw new Error(`typing ${option} chose ${chosen}`);
    }
  },
  async tick(page, { label, on }) {
    const box = control(page, label);
    await reach(page, box);
    if (!keyboard) {
      return box.setChecked(on);
    }
    if ((await box.isChecked()) !== on) {
      await page.keyboard.press("Space");
    }
    // The arrow keys move between radio buttons.
    for (let moves = 0; moves < 20 && on && !(await box.isChecked()); moves++) {
      await page.keyboard.press("ArrowDown");
    }
  },
  // The window in which people choose a file is the browser's own, and out of reach.
  async file(page, { label, path }) {
    const field = control(page, label);
    await reach(page, field);
    await field.setInputFiles(path);
  },
  async unfold(page, { name }) {
    const summary = page.locator("summary").filter({ hasText: name });
    await reach(page, summary);
    await (keyboard ? page.keyboard.press("Enter") : summary.click());
    await look(page);
  },
  async press(page, { name }) {
    const pressed = button(page, name);
    await reach(page, pressed);
    const loaded = page.waitForEvent("load");
    await (keyboard ? page.keyboard.press("Enter") : pressed.click());
    await loaded;
    await look(page);
  },
  async take(page, { name, into }) {
    const pressed = button(page, name);
    await reach(page, pressed);
    const coming = page.waitForEvent("download");
    await (keyboard ? page.keyboard.press("Enter") : pressed.click());
    await (await coming).saveAs(into);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const page = await pageOf(asked.person, asked.address);
  let answer;
  try {
    await acts[asked.act]?.(page, asked);
    const main = page.locator("main");
    answer = {
      ok: true,
      path: page.url().slice(asked.address.length),
      text: await main.innerText(),
      html: await main.innerHTML(),
    };
    if (wrong.length > 0) {
      answer = { wrong: wrong.splice(0).join("\n") };
    }
  } catch (error) {
    const text = await page.locator("main").innerText({ timeout: 1_000 }).catch(() => "");
    answer = { wrong: `${error.message}\nat ${page.url()}: ${text}` };
  }
  console.log(JSON.stringify(answer));
}
await browser.close();
