// Security keys (WebAuthn): a form whose answer the browser's key gives. Without this script, or in a browser that
// knows no such keys, the form stays hidden, and the page's own words say what else there is.

interface Asked {
  challenge: string;
  party: string;
  user: string;
  person: string;
  known: string[];
}

export function securityKeys(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-security-key]")) {
    if (!("credentials" in navigator) || !("PublicKeyCredential" in window)) {
      continue;
    }
    const work = form.dataset.securityKey === "create" ? create : get;
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void answer(form, work);
    });
  }
}

async function answer(form: HTMLFormElement, work: (form: HTMLFormElement) => Promise<Record<string, ArrayBuffer>>): Promise<void> {
  const said = form.querySelector<HTMLElement>("[data-security-key-said]");
  const button = form.querySelector<HTMLButtonElement>("button");
  const say = (words: string): void => {
    if (said) {
      said.textContent = words;
    }
  };
  if (button) {
    button.disabled = true;
  }
  say("Touch your security key when it asks for it.");
  try {
    for (const [name, bytes] of Object.entries(await work(form))) {
      const field = form.elements.namedItem(name);
      if (field instanceof HTMLInputElement) {
        field.value = encode(bytes);
      }
    }
    say("Your security key has signed.");
    form.submit();
  } catch (error) {
    say(`Nothing was signed: ${error instanceof Error ? error.message : "the browser gave no reason"}`);
    if (button) {
      button.disabled = false;
    }
  }
}

async function create(form: HTMLFormElement): Promise<Record<string, ArrayBuffer>> {
  const token = new FormData(form).get("token");
  const body = new URLSearchParams({ token: typeof token === "string" ? token : "" });
  const response = await fetch(form.dataset.ask ?? "", { method: "POST", body });
  if (!response.ok) {
    throw new Error("the appliance asked for no key; open this page again.");
  }
  const asked = (await response.json()) as Asked;
  const made = await navigator.credentials.create({
    publicKey: {
      challenge: decode(asked.challenge),
      rp: { id: asked.party, name: "Patchkeep" },
      user: { id: decode(asked.user), name: asked.person, displayName: asked.person },
      pubKeyCredParams: [{ type: "public-key", alg: -7 }],
      excludeCredentials: asked.known.map(credential),
      authenticatorSelection: { residentKey: "preferred", userVerification: "preferred" },
      attestation: "none",
      timeout: 120_000,
    },
  });
  if (!(made instanceof PublicKeyCredential) || !(made.response instanceof AuthenticatorAttestationResponse)) {
    throw new Error("the browser made no key.");
  }
  return { client_data: made.response.clientDataJSON, attestation: made.response.attestationObject };
}

async function get(form: HTMLFormElement): Promise<Record<string, ArrayBuffer>> {
  const { challenge, party, credentials } = form.dataset;
  const signed = await navigator.credentials.get({
    publicKey: {
      challenge: decode(challenge ?? ""),
      ...(party ? { rpId: party } : {}),
      allowCredentials: (credentials ?? "").split(" ").map(credential),
      userVerification: "preferred",
      timeout: 120_000,
    },
  });
  if (!(signed instanceof PublicKeyCredential) || !(signed.response instanceof AuthenticatorAssertionResponse)) {
    throw new Error("the browser signed nothing.");
  }
  return {
    credential: signed.rawId,
    authenticator_data: signed.response.authenticatorData,
    client_data: signed.response.clientDataJSON,
    signature: signed.response.signature,
  };
}

function credential(id: string): PublicKeyCredentialDescriptor {
  return { type: "public-key", id: decode(id) };
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

function encode(bytes: ArrayBuffer): string {
  const binary = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
