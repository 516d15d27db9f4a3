// Looks at pages in Chromium: node pages.mjs ADDRESS PATH... Each is to pass axe-core's WCAG 2.2 A and AA
// rules, to fit a window of 320 pixels (400 % of 1280) without sideways scrolling and a sheet of A4, to say the same
// without a script, and to load nothing from another host; and so is each preview that a form of it has, filled in with
// TYPED where it is empty. With SCREENS=FOLDER it leaves two pictures of each there, one
// as it is printed.
import { mkdirSync } from "node:fs";
import { violations } from "./axe.mjs";
import { launch } from "./chromium.mjs";

const [address, ...paths] = process.argv.slice(2);
const screens = process.env.SCREENS;
const wrong = [];
const browser = await launch();

function name(path) {
  return path === "/" ? "overview" : path.slice(1).replace(/[^a-z0-9.-]+/gi, "-");
}

async function open(context, path) {
  const page = await context.newPage();
  const said = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith("data:")) {
      said.push(`asks ${request.url()}`);
    }
  });
  page.on("console", (message) => {
    if (message.type() === "error") {
      said.push(`says ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => said.push(`fails: ${error.message}`));
  const response = await page.goto(address + path, { waitUntil: "load" });
  if (response?.status() !== 200) {
    said.push(`answers ${response?.status()}`);
  }
  return { page, said };
}

/** What is typed into a form's empty fields, by their names. */
const TYPED = {
  name: "mondays",
  rule: "FREQ=WEEKLY;BYDAY=MO",
  start: "2026-11-30T22:00",
  minutes: "60",
  zone: "Europe/London",
  package: "openssl",
  version: "3.0.15-1",
  settings: '{"provider": "command", "program": "/opt/snap", "machine": "web1"}',
};

/** Opens a page's forms and presses each button for a preview; what is wrong with what comes. */
async function previews(path) {
  const button = 'button[formaction$="/preview"]';
  const { page, said } = await open(wide, path);
  const count = await page.locator(button).count();
  for (let at = 0; at < count; at += 1) {
    await page.goto(address + path, { waitUntil: "load" });
    for (const summary of await page.locator("details > summary").all()) {
      await summary.click();
    }
    const pressed = page.locator(button).nth(at);
    const form = pressed.locator("xpath=ancestor::form");
    for (const [field, text] of Object.entries(TYPED)) {
      for (const input of await form.locator(`[name="${field}"]:not([type="hidden"])`).all()) {
        const editable = await input.evaluate((e) => e.tagName !== "SELECT" && e.value === "" && !e.readOnly);
        if (editable) {
          await input.fill(text);
        }
      }
    }
    const words = await pressed.innerText();
    const empty = await form.evaluate((e) => [...e.querySelectorAll(":invalid")].map((f) => f.name).join(", "));
    if (empty && !(await pressed.evaluate((e) => e.formNoValidate))) {
      said.push(`"${words}" cannot be pressed without ${empty}`);
      continue;
    }
    const [response] = await Promise.all([page.waitForNavigation({ waitUntil: "load" }), pressed.click()]);
    const wrongs = response?.status() === 200 ? await violations(page) : [`answers ${response?.status()}`];
    said.push(...wrongs.map((wrong) => `"${words}" ${wrong}`));
    if (screens) {
      await page.screenshot({ path: `${screens}/${name(path)}-preview-${at}.png`, fullPage: true });
    }
  }
  await page.close();
  seen += count;
  return said;
}

let seen = 0;
const wide = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const narrow = await browser.newContext({ viewport: { width: 320, height: 640 } });
// A4 with margins of 15 mm is 680 pixels wide at 96 an inch; Chromium lays what it prints out 4/3 as wide, and shrinks it.
const sheet = await browser.newContext({ viewport: { width: 907, height: 1345 } });
const plain = await browser.newContext({ viewport: { width: 1280, height: 900 }, javaScriptEnabled: false });
for (const path of paths) {
  const { page, said } = await open(wide, path);
  for (const summary of await page.locator("details > summary").all()) {
    await summary.click();
  }
  said.push(...(await violations(page)));
  const text = (await page.locator("main").innerText()).length;
  await page.close();

  const paper = await open(sheet, path);
  await paper.page.emulateMedia({ media: "print" });
  const cut = await paper.page.evaluate(() => {
    const all = [...document.querySelectorAll("body *")];
    const far = all.filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1);
    return far.slice(0, 3).map((e) => `${e.tagName}.${e.className}`).join(", ");
  });
  if (cut) {
    said.push(`is cut off on paper: ${cut}`);
  }
  if (screens) {
    mkdirSync(screens, { recursive: true });
    await paper.page.screenshot({ path: `${screens}/paper-${name(path)}.png`, fullPage: true });
  }
  await paper.page.close();

  const small = await open(narrow, path);
  const over = await small.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (over > 0) {
    const widest = await small.page.evaluate(() => {
      const all = [...document.querySelectorAll("body *")].filter((e) => !e.closest(".console-scroll"));
      const far = all.filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1);
      return far.slice(0, 3).map((e) => `${e.tagName}.${e.className}`).join(", ");
    });
    said.push(`scrolls sideways by ${over} pixels at 320: ${widest}`);
  }
  said.push(...small.said);
  await small.page.close();

  const bare = await open(plain, path);
  said.push(...bare.said.map((words) => `without a script: ${words}`));
  if (screens) {
    await bare.page.screenshot({ path: `${screens}/${name(path)}.png`, fullPage: true });
  }
  if (text === 0) {
    said.push("is empty");
  }
  await bare.page.close();
  said.push(...(await previews(path)));
  wrong.push(...said.map((words) => `${path} ${words}`));
}
await browser.close();
if (wrong.length > 0) {
  console.log(wrong.join("\n"));
  process.exit(1);
}
if (seen === 0) {
  console.log("no page had a preview");
  process.exit(1);
}
console.log(`${paths.length} pages and ${seen} previews are well`);
