/** Our own line glyphs on a 20×20 grid: what a channel is like, never anybody's logo. */
const GLYPHS: Record<string, string> = {
  email: 'M3 5.5h14v9.5H3zM3 6l7 5.2L17 6',
  webform: 'M4.5 3h11v14h-11zM7 6.5h6M7 9.5h6M7 13.5h3',
  // Two people talking.
  wechat: 'M12.2 7.2C11.7 5 9.6 3.5 7.2 3.5c-2.8 0-5 1.9-5 4.3 0 1.3.7 2.5 1.8 3.3l-.5 2 2.2-1.1c.5.1 1 .2 1.5.2M12.8 7.8c-2.8 0-5 1.8-5 4s2.2 4 5 4c.6 0 1.1-.1 1.6-.2l2.1 1.1-.5-2c1.1-.7 1.8-1.7 1.8-2.9 0-2.2-2.2-4-5-4z',
  // A program inside a chat.
  wechat_miniprogram: 'M5 2.5h10a2.5 2.5 0 0 1 2.5 2.5v10a2.5 2.5 0 0 1-2.5 2.5H5A2.5 2.5 0 0 1 2.5 15V5A2.5 2.5 0 0 1 5 2.5zM6 7h8v5h-4.5L7.5 14v-2H6z',
  // A colleague at work.
  wecom: 'M3 7h14v9H3zM7.5 7V4.5h5V7M3 11h14M10 10.2v1.6',
  // Somebody with a headset.
  wecom_kf: 'M4 12v-2a6 6 0 0 1 12 0v2M4 10.5h1.5c.6 0 1 .4 1 1v2.5c0 .6-.4 1-1 1H4.8c-.5 0-.8-.4-.8-.8zM16 10.5h-1.5c-.6 0-1 .4-1 1v2.5c0 .6.4 1 1 1h.7c.5 0 .8-.4.8-.8zM15.5 15v.5c0 1.1-.9 2-2 2H11',
  // A pin on a board.
  dingtalk: 'M7 3h6M8 3v4.5L5.5 11h9L12 7.5V3M10 11v6',
  sms: 'M3.5 4.5h13v8.5H9.5L6 16v-3H3.5zM6.8 8.8h.1M10 8.8h.1M13.2 8.8h.1',
  // A folded paper.
  telegram: 'M17 3.5 2.5 9l5 2.5L10 17zM17 3.5l-9.5 8',
  phone: 'M5 3.5h2.8l1.4 3.7-1.8 1.3c.8 1.7 2 3 3.8 3.9l1.4-1.8 3.6 1.5v2.7c0 .9-.8 1.6-1.7 1.5C8.8 15.6 4.3 11.1 3.6 5.2 3.5 4.3 4.1 3.5 5 3.5z',
  api: 'M7 5 2.8 10 7 15M13 5l4.2 5-4.2 5M11.3 4 8.7 16',
  note: 'M4 3.5h12v9l-4 4H4zM12 16.5v-4h4M7 7.5h6M7 10.5h3.5',
}
const ALIASES: Record<string, string> = {
  mail: 'email',
  form: 'webform',
  wechat_mini: 'wechat_miniprogram',
  miniprogram: 'wechat_miniprogram',
  wechat_kf: 'wecom_kf',
  voice: 'phone',
  call: 'phone',
}
/** A speech bubble: whatever it is, somebody says something there. */
const ANY = 'M3.5 4h13v9.5h-6L7 16.5v-3H3.5z'

export function glyphOf(name: string): string {
  const key = name.replaceAll('-', '_')
  return GLYPHS[ALIASES[key] ?? key] ?? ANY
}

export const hasGlyph = (name: string): boolean => glyphOf(name) !== ANY
