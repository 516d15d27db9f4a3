// What axe-core finds on a page by WCAG 2.2 A and AA, each as a sentence.
import { web } from "./chromium.mjs";

const { default: AxeBuilder } = web("@axe-core/playwright");

// A page that follows something loads itself anew when that ends: then the new one is looked at.
async function look(page, tries = 3) {
  const builder = new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]);
  try {
    return await builder.analyze();
  } catch (error) {
    if (tries === 1 || !error.message.includes("Execution context was destroyed")) {
      throw error;
    }
    await page.waitForLoadState("load");
    return look(page, tries - 1);
  }
}

export async function violations(page) {
  const found = await look(page);
  return found.violations.map((violation) => {
    const where = violation.nodes.map((node) => node.target.join(" ")).slice(0, 4).join("; ");
    return `${violation.id}: ${violation.help}: ${where}`;
  });
}
