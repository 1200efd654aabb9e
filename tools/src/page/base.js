"use strict";

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Buttons of which one is pressed; `options` are pairs of a value and a label. */
function choice(label, options, chosen) {
  const buttons = options.map(([value, text]) => make("button", {
    type: "button", textContent: text, value, onclick: () => { pick(value); chosen(value); },
  }));
  const pick = value => {
    for (const button of buttons) button.ariaPressed = String(button.value === String(value));
  };
  const caption = make("span", { className: "label", textContent: label });
  const element = make("div", { className: "choice", role: "group", ariaLabel: label }, caption, ...buttons);
  return { element, buttons, pick };
}
