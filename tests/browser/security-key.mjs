// A person with a security key in Chromium: node security-key.mjs ADDRESS SESSION KEYS ACT [PATH]. The key is
// Chromium's own virtual one; what it holds is kept in the file KEYS between two calls. ACT is
//   register  makes the key known on the account's page
//   withdraw  says why at PATH, and goes on as
//   sign      opens PATH and presses the button there
//   take      the same, but prints the form that would be sent, and sends nothing
// Prints the page that follows, as JSON: its address and its text.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { violations } from "./axe.mjs";
import { launch } from "./chromium.mjs";

const [address, session, keys, act, path] = process.argv.slice(2);
// The site's own root is in no browser's list.
const browser = await launch("--ignore-certificate-errors");
const context = await browser.newContext({ ignoreHTTPSErrors: true });
await context.addCookies([
  { name: "__Host-patchkeep", value: session, url: address, secure: true, httpOnly: true, sameSite: "Strict" },
]);
const page = await context.newPage();
const said = [];
page.on("console", (message) => said.push(message.text()));
page.on("pageerror", (error) => said.push(error.message));
const devtools = await context.newCDPSession(page);
await devtools.send("WebAuthn.enable");
const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
  options: {
    protocol: "ctap2",
    transport: "usb",
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
  },
});
for (const credential of existsSync(keys) ? JSON.parse(readFileSync(keys, "utf8")) : []) {
  await devtools.send("WebAuthn.addCredential", { authenticatorId, credential });
}

let taken;
await page.goto(address + (act === "register" ? "/account" : path), { waitUntil: "load" });
if (act === "withdraw") {
  await page.locator("#reason").fill("a bad update");
  await page.locator("form:has(#reason) button").click();
  await page.waitForLoadState("load");
}
// Whatever is looked at here is to be accessible too.
async function look() {
  const found = await violations(page);
  if (found.length > 0) {
    throw new Error(found.join("\n"));
  }
}

const form = page.locator(`form[data-security-key="${act === "register" ? "create" : "get"}"]`);
try {
  await look();
  if (act === "take") {
    taken = new Promise((resolve) => {
      void page.route("**/*", (route) => {
        if (route.request().method() !== "POST") {
          return route.continue();
        }
        resolve(Object.fromEntries(new URLSearchParams(route.request().postData() ?? "")));
        return route.abort();
      });
    });
    await form.locator("button").click({ timeout: 10_000 });
    console.log(JSON.stringify(await taken));
  } else {
    const next = page.waitForURL((url) => url.href !== address + path && !url.href.endsWith("/account"), {
      timeout: 20_000,
    });
    next.catch(() => {});
    await form.locator("button").click({ timeout: 10_000 });
    await next;
    await page.waitForLoadState("load");
    await look();
    console.log(JSON.stringify({ address: page.url(), text: await page.locator("main").innerText() }));
  }
} catch (error) {
  console.error(`${error.message}\n${said.join("\n")}\n${await page.locator("main").innerText()}`);
  process.exitCode = 1;
}
const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
writeFileSync(keys, JSON.stringify(credentials));
await browser.close();
