import { securityKeys } from "./security-key";

// Live parts of a page. The server sends each anew as HTML whenever it changes; without this script the
// page stands as it was when it was asked for, and its own link asks again.

for (const part of document.querySelectorAll<HTMLElement>("[data-live]")) {
  const from = part.dataset.live;
  if (from) {
    follow(part, from);
  }
}

securityKeys();

function follow(part: HTMLElement, from: string): void {
  const said = document.querySelector<HTMLElement>("[data-live-said]");
  const events = new EventSource(from);
  const say = (words: string): void => {
    if (said && said.textContent !== words) {
      said.textContent = words;
    }
  };
  events.addEventListener("part", (event: MessageEvent<string>) => {
    // What is being read or has the keyboard's focus is not pulled away.
    if (!part.contains(document.activeElement) && part.innerHTML !== event.data) {
      const chosen = part.querySelector<HTMLInputElement>("input[type=radio]:checked")?.value;
      part.innerHTML = event.data;
      // What a person chose stays chosen as long as it is there.
      for (const choice of part.querySelectorAll<HTMLInputElement>("input[type=radio]")) {
        choice.checked = choice.checked || (choice.value === chosen && !choice.disabled);
      }
    }
    say("This part follows by itself.");
  });
  events.addEventListener("over", () => {
    events.close();
    location.reload();
  });
  events.addEventListener("error", () => {
    say("The connection was lost; it is tried again. Refresh the page to see the newest.");
  });
  addEventListener("pagehide", () => events.close());
}
