/* Glyphs on a 20×20 grid, each with the hue of its channel; what is not here gets a bubble. */
const CHANNELS = {
  email: ["M3 5.5h14v9.5H3zM3 6l7 5.2L17 6", 32],
  webform: ["M4.5 3h11v14h-11zM7 6.5h6M7 9.5h6M7 13.5h3", 262],
  wechat: ["M8.2 3.5c-3.3 0-5.7 2-5.7 4.6 0 1.5.8 2.8 2.1 3.6L4 13.9l2.5-1.2c.5.1 1.1.2 1.7.2M17.5 11.6c0-2.2-2.1-4-4.7-4s-4.7 1.8-4.7 4 2.1 4 4.7 4c.6 0 1.1-.1 1.6-.2l2.1 1-.5-1.8c.9-.8 1.5-1.8 1.5-3z", 145],
  "wechat-kf": ["M8.2 3.5c-3.3 0-5.7 2-5.7 4.6 0 1.5.8 2.8 2.1 3.6L4 13.9l2.5-1.2c.5.1 1.1.2 1.7.2M17.5 11.6c0-2.2-2.1-4-4.7-4s-4.7 1.8-4.7 4 2.1 4 4.7 4c.6 0 1.1-.1 1.6-.2l2.1 1-.5-1.8c.9-.8 1.5-1.8 1.5-3z", 232],
  "wechat-mini": ["M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM12.5 8.5a1.7 1.7 0 1 0-2.5 1.5c-.6.4-2.5-.8-2.5 1.5a1.25 1.25 0 0 0 2.5 0v-3", 152],
  wecom: ["M10 3.5c-4 0-7 2.5-7 5.8 0 1.9 1 3.5 2.6 4.6L5 16.5l3-1.5c2.5.4 4.8-.2 6.3-1.6M13 9.5l4 4M17 9.5l-4 4", 208],
  dingtalk: ["M4 4.5c4 1.5 8 2.3 12 3.5-.8 2-2 3.5-3 5h2.5L8.5 17.5l1.5-4H8l.7-1.8C6.5 11 5.3 9 4.8 7.2l3 .6C6 7 4.7 6 4 4.5z", 218],
  sms: ["M3.5 4.5h13v8.5H9.5L6 16v-3H3.5zM6.8 8.8h.1M10 8.8h.1M13.2 8.8h.1", 176],
  telegram: ["M3 9.5 17 4l-2.2 12-4.3-3.2-2 2.2-.5-3.8L14 6.5 6 11z", 200],
  phone: ["M5 3.5h2.8l1.4 3.7-1.8 1.3c.8 1.7 2 3 3.8 3.9l1.4-1.8 3.6 1.5v2.7c0 .9-.8 1.6-1.7 1.5C8.8 15.6 4.3 11.1 3.6 5.2 3.5 4.3 4.1 3.5 5 3.5z", 120],
  api: ["M7 5 2.8 10 7 15M13 5l4.2 5-4.2 5M11.3 4 8.7 16", 280],
  other: ["M3.5 4.5h13v9h-7L6 16.5v-3H3.5z", 175],
};
const ALIASES = { mail: "email", form: "webform", voice: "phone", call: "phone" };
const TOOLS = {
  attach: "M14.5 9.5 9.7 14.3a3 3 0 0 1-4.3-4.3l5.5-5.5a2 2 0 0 1 2.9 2.9l-5.4 5.4a1 1 0 0 1-1.4-1.4l4.7-4.7",
  voice: "M10 3.5a2.2 2.2 0 0 0-2.2 2.2v3.8a2.2 2.2 0 0 0 4.4 0V5.7A2.2 2.2 0 0 0 10 3.5zM5 9.5a5 5 0 0 0 10 0M10 14.5v2.5M7.5 17h5",
  send: "M3.5 10 16.5 4l-3.5 12-3.5-4.5zM9.5 11.5l7-7.5",
  back: "M12.5 4.5 7 10l5.5 5.5",
  file: "M5 3h6.5L15 6.5V17H5zM11.5 3v3.5H15",
  desk: "M4 8.5V7a3 3 0 0 1 3-3h6a3 3 0 0 1 3 3v1.5h-3V7.5H7v1zM5.5 10.5h9L16 16H4zM8.5 12.5h3",
  out: "M8 5h-3v10h10v-3M11 4.5h4.5V9M15.5 4.5 9 11",
};

const of = (icon) => CHANNELS[ALIASES[icon] ?? icon] ?? CHANNELS.other;
export const hueOf = (icon) => of(icon)[1];
export const channelIcon = (icon) => glyph(of(icon)[0]);
export const toolIcon = (name) => glyph(TOOLS[name]);

function glyph(shape) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("glyph");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", shape);
  svg.append(path);
  return svg;
}
