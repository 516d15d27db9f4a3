// What axe-core finds on a page by WCAG 2.2 A and AA, each as a sentence.
import { web } from "./chromium.mjs";

const { default: AxeBuilder } = web("@axe-core/playwright");

export async function violations(page) {
  const found = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
    .analyze();
  return found.violations.map((violation) => {
    const where = violation.nodes.map((node) => node.target.join(" ")).slice(0, 4).join("; ");
    return `${violation.id}: ${violation.help}: ${where}`;
  });
}
