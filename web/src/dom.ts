// Building elements without ever reading data as markup: text stays text.
type Child = Node | string;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function find<T extends Element = HTMLElement>(selector: string): T {
  const element = document.querySelector<T>(selector);
  if (element === null) throw new Error(`the page has no ${selector}`);
  return element;
}

export function say(selector: string, ...children: Child[]): void {
  find(selector).replaceChildren(...children);
}

// Text in which the parts between asterisks' stead, the odd ones, are emphasised.
export function emphasise(tag: "strong" | "em", ...parts: string[]): Child[] {
  return parts.map((part, k) => (k % 2 === 1 ? h(tag, {}, part) : part));
}

export function options(
  select: HTMLSelectElement,
  labels: [string, string][],
  chosen: string,
): void {
  select.replaceChildren(...labels.map(([value, label]) => h("option", { value }, label)));
  select.value = chosen;
}
