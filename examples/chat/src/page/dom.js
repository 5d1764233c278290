/** An element with properties and children. Texts become text nodes, never markup. */
export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export const element = (id) => document.getElementById(id);
